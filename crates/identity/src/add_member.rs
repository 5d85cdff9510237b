//! Add a member: a user is given a role in the venue.

use actix_web::{post, web};
use edge::answer::Versioned;
use edge::body::Errors;
use edge::{Actor, Answer, App, Body, Input, OnceIfGiven, Rejection, WriteRefusals, can};
use kernel::ids::MemberId;
use kernel::role::Role;
use pg::{Reply, Tx};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::IdentityError;
use crate::invite_member::invite_member;
use crate::membership::{Told, check_role, tell, tell_sockets};
use crate::model::{Email, Invitation, Member, User};
use crate::reads::VenuePath;
use crate::state::Identity;
use crate::store::{users, venues};

/// Who is to be what.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct AddMember {
    /// The address that the person has registered with, or is to be invited at.
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

/// What came of it.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
enum Added {
    Member(Member),
    Invited(Invitation),
}

impl Reply for Added {
    fn status(&self) -> u16 {
        match self {
            Self::Member(_) => 201,
            Self::Invited(_) => 202,
        }
    }

    fn json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    fn version(&self) -> Option<i64> {
        match self {
            Self::Member(member) => member.version(),
            Self::Invited(_) => None,
        }
    }
}

/// Add a member
///
/// Whoever has an account has the role at once; somebody who was removed gets their old place
/// back. Whoever has none is invited: a link is mailed that counts for seven days, and a repeat
/// mails another one.
#[utoipa::path(
    operation_id = "addMember", tag = "identity", params(VenuePath), request_body = AddMember,
    security(("bearer" = [])), responses(
        (status = 201, body = Member),
        (status = 202, description = "There is no account: an invitation was mailed.", body = Invitation),
        WriteRefusals
    )
)]
#[post("/api/v1/venues/{venue}/members")]
pub(crate) async fn post_member(
    actor: Actor<can::ChangeMembers>,
    once: OnceIfGiven,
    cmd: Body<AddMember>,
    identity: web::Data<Identity>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let identity = identity.as_ref().clone();
    let told = Told::default();
    let told_by_rule = told.clone();
    let once = once.of(&cmd);
    tell_sockets(app.as_ref().clone(), told, async move |app| {
        app.write(&actor, once, async move |tx| {
            add_member(tx, &identity, &cmd, &told_by_rule).await
        })
        .await
    })
    .await
}

async fn add_member(
    tx: &mut Tx,
    identity: &Identity,
    cmd: &AddMember,
    told: &Told,
) -> Result<Added, IdentityError> {
    let email = Email::of(&cmd.email);
    let Some(account) = users::account_by_email(tx, &email).await? else {
        let own = venues::lock_deciders(tx).await?.own_role.ok_or(pg::DbError::Forbidden)?;
        check_role(own, cmd.role)?;
        return invite_member(tx, identity, &email, cmd.role).await.map(Added::Invited);
    };
    let user =
        Some(account).filter(|account| account.active).ok_or(IdentityError::NoSuchUser)?.user;
    let (deciders, place) = venues::lock_member_of(tx, user.id).await?;
    let own = deciders.own_role.ok_or(pg::DbError::Forbidden)?;
    check_role(own, cmd.role)?;
    let member = give_place(tx, user, place, cmd.role)?;
    tell(tx, "member_created", "created", &member, told)?;
    Ok(Added::Member(member))
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
