//! Add a member: a user is given a role in the venue.

use actix_web::{post, web};
use edge::body::Errors;
use edge::{Actor, Answer, App, Body, Created, Input, OnceIfGiven, Rejection, WriteRefusals, can};
use kernel::ids::MemberId;
use kernel::role::Role;
use pg::Tx;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::IdentityError;
use crate::membership::{Told, check_role, tell, tell_sockets};
use crate::model::{Email, Member, User};
use crate::reads::VenuePath;
use crate::store::{users, venues};

/// Who is to be what.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct AddMember {
    /// The address that the person has registered with.
    #[schema(max_length = 254, example = "ana@example.org")]
    pub email: String,
    /// The role; never above one's own.
    pub role: Role,
}

impl Input for AddMember {
    fn check(&self, errors: &mut Errors) {
        errors.email(&self.email, "/email");
    }
}

/// Add a member
///
/// The person must have registered before; somebody who was removed gets their old place back.
#[utoipa::path(
    operation_id = "addMember", tag = "identity", params(VenuePath), request_body = AddMember,
    security(("bearer" = [])), responses((status = 201, body = Member), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/members")]
pub(crate) async fn post_member(
    actor: Actor<can::ChangeMembers>,
    once: OnceIfGiven,
    cmd: Body<AddMember>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let told = Told::default();
    let told_by_rule = told.clone();
    let once = once.of(&cmd);
    tell_sockets(app.as_ref().clone(), told, async move |app| {
        app.write(&actor, once, async move |tx| {
            add_member(tx, &cmd, &told_by_rule).await.map(Created)
        })
        .await
    })
    .await
}

async fn add_member(tx: &mut Tx, cmd: &AddMember, told: &Told) -> Result<Member, IdentityError> {
    let email = Email::of(&cmd.email);
    let account = users::account_by_email(tx, &email).await?;
    let user = account.filter(|account| account.active).ok_or(IdentityError::NoSuchUser)?.user;
    let (deciders, place) = venues::lock_member_of(tx, user.id).await?;
    let own = deciders.own_role.ok_or(pg::DbError::Forbidden)?;
    check_role(own, cmd.role)?;
    let member = give_place(tx, user, place, cmd.role)?;
    tell(tx, "member_created", "created", &member, told)?;
    Ok(member)
}

/// A new place, or the old one of somebody who was removed.
pub(crate) fn give_place(
    tx: &mut Tx,
    user: User,
    place: Option<Member>,
    role: Role,
) -> Result<Member, IdentityError> {
    if let Some(place) = place {
        if place.active {
            return Err(IdentityError::AlreadyMember(Box::new(place)));
        }
        let version = place.version + 1;
        let member = Member { role, active: true, version, ..place };
        venues::update_member(tx, &member)?;
        return Ok(member);
    }
    let now = tx.now();
    let member = Member {
        id: MemberId::fresh(now),
        user_id: user.id,
        name: user.name,
        email: user.email,
        role,
        active: true,
        version: 1,
        created_at: now,
    };
    venues::insert_member(tx, &member)?;
    Ok(member)
}
