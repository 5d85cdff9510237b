//! Remove a member: the role is taken away, the place is kept for what it has done.

use actix_web::{delete, web};
use edge::{Actor, Answer, App, Gone, OnceIfGiven, Path, Rejection, WriteRefusals, can};
use kernel::ids::MemberId;
use pg::Tx;

use crate::IdentityError;
use crate::membership::{Told, check_loss, tell, tell_sockets};
use crate::reads::MemberPath;
use crate::store::venues;

/// Remove a member
///
/// From the next write on the role does not count; open sockets stop within a second. The last
/// owner stays.
#[utoipa::path(
    operation_id = "removeMember", tag = "identity", params(MemberPath),
    security(("bearer" = [])), responses((status = 204), WriteRefusals)
)]
#[delete("/api/v1/venues/{venue}/members/{member}")]
pub(crate) async fn delete_member(
    actor: Actor<can::ChangeMembers>,
    once: OnceIfGiven,
    at: Path<MemberPath>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let (told, once, id) = (Told::default(), once.alone(), at.member);
    let told_by_rule = told.clone();
    tell_sockets(app.as_ref().clone(), told, async move |app| {
        app.write(&actor, once, async move |tx| {
            remove_member(tx, id, &told_by_rule).await.map(|()| Gone)
        })
        .await
    })
    .await
}

async fn remove_member(tx: &mut Tx, id: MemberId, told: &Told) -> Result<(), IdentityError> {
    let (deciders, member) = venues::lock_member(tx, id).await?;
    let own = deciders.own_role.ok_or(pg::DbError::Forbidden)?;
    let mut member = member.filter(|member| member.active).ok_or(IdentityError::NoSuchMember)?;
    check_loss(&deciders, own, &member)?;
    member.active = false;
    member.version += 1;
    venues::update_member(tx, &member)?;
    tell(tx, "member_removed", "removed", &member, told)
}
