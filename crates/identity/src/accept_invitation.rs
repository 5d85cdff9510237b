//! Accept an invitation: with a new account, or with the one that somebody is signed in with.

use std::collections::HashMap;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, post, web};
use bus::Control;
use edge::body::Errors;
use edge::{Actor, App, Body, ClientAddress, Input, Rejection, WriteRefusals, can};
use kernel::ids::{InvitationId, UserId, VenueId};
use kernel::scope::Scope;
use pg::Tx;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::add_member::give_place;
use crate::attempt::{Subjects, admit_registration};
use crate::invite_member::audit;
use crate::mailed_link::{INVITATION, Presented, Worth, worth};
use crate::membership::{Told, tell};
use crate::model::{Email, Invitation, Member, Password, Tokens, User};
use crate::register_user::register_user;
use crate::session::{Agent, Opened, answer, open_session, tokens};
use crate::state::Identity;
use crate::store::{invitations, users, venues};
use crate::{IdentityError, password, task};

/// A mailed link and the account that it makes.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct AcceptInvitation {
    /// What stands behind `#token=` in the link.
    #[schema(max_length = 128)]
    pub token: String,
    /// What people read.
    #[schema(min_length = 1, max_length = 120, example = "Ana Lopes")]
    pub name: String,
    /// A new password.
    #[schema(example = "otters fly low at dawn")]
    pub password: Password,
}

impl Input for AcceptInvitation {
    fn check(&self, errors: &mut Errors) {
        errors.text(&self.name, "/name", (1, 120));
        password::check_length(&self.password, errors);
    }
}

/// A mailed link.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TakeInvitation {
    /// What stands behind `#token=` in the link.
    #[schema(max_length = 128)]
    pub token: String,
}

impl Input for TakeInvitation {}

/// Accept an invitation with a new account
///
/// Makes the account of the invited address, also where registration is closed, gives it the role
/// and signs it in. Whoever has an account signs in and takes the invitation with it.
#[utoipa::path(
    operation_id = "acceptInvitation", tag = "identity", request_body = AcceptInvitation,
    responses((status = 201, body = Tokens), WriteRefusals)
)]
#[post("/api/v1/auth/invitations/accept")]
pub(crate) async fn post_accept(
    _: Actor<can::Enter>,
    from: ClientAddress,
    agent: Agent,
    cmd: Body<AcceptInvitation>,
    identity: web::Data<Identity>,
    app: web::Data<App>,
) -> Result<HttpResponse, Rejection> {
    let (app, identity) = (app.as_ref().clone(), identity.as_ref().clone());
    let cmd = cmd.into_inner();
    let accepted = task::to_the_end(async move {
        let opened = accept(&app, &identity, (from, &agent), cmd).await?;
        tokens(&identity.keys.signer(), opened)
    });
    let tokens = accepted.await.map_err(|error| Rejection::of(&error))?;
    Ok(answer(StatusCode::CREATED, &tokens))
}

/// Take an invitation with my account
///
/// The invitation must be for the address of the signed-in user.
#[utoipa::path(
    operation_id = "takeInvitation", tag = "identity", request_body = TakeInvitation,
    security(("bearer" = [])), responses((status = 200, body = Member), WriteRefusals)
)]
#[post("/api/v1/auth/invitations/take")]
pub(crate) async fn post_take(
    actor: Actor<can::ActForSelf>,
    from: ClientAddress,
    cmd: Body<TakeInvitation>,
    identity: web::Data<Identity>,
    app: web::Data<App>,
) -> Result<HttpResponse, Rejection> {
    let user = actor.user()?;
    let (app, identity) = (app.as_ref().clone(), identity.as_ref().clone());
    let taken = task::to_the_end(async move {
        let (_, venue, link) = look(&app, &identity, from, &cmd.token).await?;
        let scope = Scope::venue(venue, Some(user));
        let taken = task::publish(&app, "take_invitation", scope, async |tx| {
            let Some(invitation) = judge(tx, &link).await? else { return Ok(None) };
            let account = users::account_by_id(tx, user).await?;
            let user = account.ok_or(pg::DbError::UserGone)?.user;
            if user.email != invitation.email {
                return Err(IdentityError::OtherAddress);
            }
            take(tx, user, &invitation).await.map(Some)
        });
        let member = taken.await?.ok_or(IdentityError::LinkOver)?;
        app.bus().publish_control(Control::MembershipChanged { user, venue });
        Ok(member)
    });
    let member = taken.await.map_err(|error| Rejection::of(&error))?;
    Ok(HttpResponse::Ok().json(member))
}

async fn accept(
    app: &App,
    identity: &Identity,
    (from, agent): (ClientAddress, &Agent),
    cmd: AcceptInvitation,
) -> Result<Opened, IdentityError> {
    let (invitation, venue, link) = look(app, identity, from, &cmd.token).await?;
    password::check_new(&cmd.password, &Email::of(&invitation.email))?;
    let hash = identity.passwords.hash(cmd.password).await?;
    let accepted = task::publish(app, "accept_invitation", Scope::venue(venue, None), async |tx| {
        let Some(invitation) = judge(tx, &link).await? else { return Ok(None) };
        let email = Email::of(&invitation.email);
        let user = register_user(tx, &cmd.name, &email, &hash).await?;
        let member = take(tx, user.clone(), &invitation).await?;
        let roles = HashMap::from([(venue, member.role)]);
        open_session(tx, user, roles, agent).map(Some)
    });
    accepted.await?.ok_or(IdentityError::LinkOver)
}

/// The invitation of a link that opens. Guesses are limited by where they come from.
async fn look(
    app: &App,
    identity: &Identity,
    from: ClientAddress,
    token: &str,
) -> Result<(Invitation, VenueId, Presented<2>), IdentityError> {
    let (db, link) = (app.db(), INVITATION.read(token));
    let nobody = Subjects::new(&Email::of(""), from);
    let per_minute = identity.settings.attempts_per_minute;
    task::write(db, "admit_invitation", Scope::person(None), async |tx| {
        admit_registration(tx, &nobody, per_minute).await
    })
    .await?;
    let link = link.ok_or(IdentityError::LinkOver)?;
    let [first, _] = link.ids;
    // The venue is named by a secret of ours, which is proved before anything else is done there.
    let venue = VenueId(first);
    let found = task::write(db, "look_at_invitation", Scope::venue(venue, None), async |tx| {
        judge(tx, &link).await
    });
    let invitation = found.await?.ok_or(IdentityError::LinkOver)?;
    Ok((invitation, venue, link))
}

/// The invitation, if the link opens. A wrong proof is counted, so it is a result and no error.
async fn judge(tx: &mut Tx, link: &Presented<2>) -> Result<Option<Invitation>, IdentityError> {
    let [venue, id] = link.ids;
    let (venue, id) = (VenueId(venue), InvitationId(id));
    let Some((invitation, kept)) = invitations::lock_invitation(tx, id).await? else {
        return Ok(None);
    };
    match worth(&kept, &link.hash, tx.now()) {
        Worth::Good => Ok(Some(invitation)),
        Worth::Wrong => {
            invitations::count_try(tx, venue, id);
            Ok(None)
        }
        Worth::Over => Ok(None),
    }
}

/// Gives the place. Whoever followed the link reads the mails of its address.
async fn take(tx: &mut Tx, user: User, invitation: &Invitation) -> Result<Member, IdentityError> {
    let (venue, id): (VenueId, UserId) = (tx.venue()?, user.id);
    let (_, place) = venues::lock_member_of(tx, id).await?;
    users::verify_email(tx, id);
    invitations::settle_invitation(tx, venue, invitation.id, "accepted");
    audit(tx, "invitation_accepted", invitation)?;
    let member = give_place(tx, user, place, invitation.role)?;
    tell(tx, "member_created", "created", &member, &Told::default())?;
    Ok(member)
}
