//! Change a member: another role.

use actix_web::{patch, web};
use edge::{
    Actor, Answer, App, Body, Done, IfMatch, Input, OnceIfGiven, Path, Rejection, WriteRefusals,
    can,
};
use kernel::ids::MemberId;
use kernel::role::Role;
use pg::Tx;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::IdentityError;
use crate::membership::{Told, check_loss, check_role, tell, tell_sockets};
use crate::model::Member;
use crate::reads::MemberPath;
use crate::store::venues;

/// What to change; what is absent stays.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ChangeMember {
    /// The role; never above one's own.
    #[schema(nullable = false)]
    pub role: Option<Role>,
    /// The version that was seen; `If-Match` says the same.
    #[schema(nullable = false)]
    pub version: Option<i64>,
}

impl Input for ChangeMember {}

/// Change a member
///
/// Give the version that was seen, in `If-Match` or in the body: a stale one is 412 with the
/// present state. The last owner stays one.
#[utoipa::path(
    operation_id = "changeMember", tag = "identity", params(MemberPath),
    request_body = ChangeMember,
    security(("bearer" = [])), responses((status = 200, body = Member), WriteRefusals)
)]
#[patch("/api/v1/venues/{venue}/members/{member}")]
pub(crate) async fn patch_member(
    actor: Actor<can::ChangeMembers>,
    once: OnceIfGiven,
    seen: IfMatch,
    at: Path<MemberPath>,
    cmd: Body<ChangeMember>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let (told, once, id) = (Told::default(), once.of(&cmd), at.member);
    let told_by_rule = told.clone();
    tell_sockets(app.as_ref().clone(), told, async move |app| {
        app.write(&actor, once, async move |tx| {
            let seen = seen.0.or(cmd.version);
            change_member(tx, id, seen, cmd.role, &told_by_rule).await.map(Done)
        })
        .await
    })
    .await
}

async fn change_member(
    tx: &mut Tx,
    id: MemberId,
    seen: Option<i64>,
    role: Option<Role>,
    told: &Told,
) -> Result<Member, IdentityError> {
    let (deciders, member) = venues::lock_member(tx, id).await?;
    let own = deciders.own_role.ok_or(pg::DbError::Forbidden)?;
    let mut member = member.filter(|member| member.active).ok_or(IdentityError::NoSuchMember)?;
    if seen.is_some_and(|seen| seen != member.version) {
        return Err(IdentityError::StaleMember(Box::new(member)));
    }
    let Some(role) = role.filter(|role| *role != member.role) else { return Ok(member) };
    check_loss(&deciders, own, &member)?;
    check_role(own, role)?;
    member.role = role;
    member.version += 1;
    venues::update_member(tx, &member)?;
    tell(tx, "member_updated", "role_changed", &member, told)?;
    Ok(member)
}
