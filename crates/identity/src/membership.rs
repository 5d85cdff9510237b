//! What all changes of members have in common: who may, who stays, who is told.

use std::cell::Cell;
use std::rc::Rc;

use bus::Control;
use edge::{Answer, App, Rejection};
use kernel::ids::{UserId, VenueId};
use kernel::role::Role;
use pg::Tx;

use crate::model::{Member, may_give};
use crate::store::revocations;
use crate::store::venues::Deciders;
use crate::{IdentityError, event};

/// Whose membership a write has changed; nothing when its answer was only replayed.
pub(crate) type Told = Rc<Cell<Option<(UserId, VenueId)>>>;

/// Nobody gives or takes a role above their own.
///
/// # Errors
/// `AboveOwnRole`.
pub(crate) fn check_role(own: Role, role: Role) -> Result<(), IdentityError> {
    if may_give(own, role) { Ok(()) } else { Err(IdentityError::AboveOwnRole) }
}

/// Whether `member` may lose its role: the last owner stays.
///
/// # Errors
/// `AboveOwnRole`, `LastOwner`.
pub(crate) fn check_loss(
    deciders: &Deciders,
    own: Role,
    member: &Member,
) -> Result<(), IdentityError> {
    check_role(own, member.role)?;
    let last = member.role == Role::Owner && deciders.owners.as_slice() == [member.id];
    if last { Err(IdentityError::LastOwner) } else { Ok(()) }
}

/// Event, audit, and a note for `tell_sockets`.
pub(crate) fn tell(
    tx: &mut Tx,
    kind: &'static str,
    action: &'static str,
    member: &Member,
    told: &Told,
) -> Result<(), IdentityError> {
    tx.emit(event::member(kind, action, member)?);
    // The log is never changed, so it holds no name and no address.
    let detail = serde_json::json!({
        "userId": member.user_id, "role": member.role, "active": member.active,
    });
    tx.audit(kind, ("member", member.id.0), &detail)?;
    let venue = tx.venue()?;
    revocations::note_membership(tx, member.user_id, venue);
    told.set(Some((member.user_id, venue)));
    Ok(())
}

/// Runs a write and tells the sockets of whom it concerns, also when its client goes away before
/// the answer: whoever lost a role must not go on listening.
pub(crate) async fn tell_sockets<F>(app: App, told: Told, write: F) -> Result<Answer, Rejection>
where
    F: AsyncFnOnce(App) -> Result<Answer, Rejection> + 'static,
{
    let running = actix_web::rt::spawn(async move {
        let answer = write(app.clone()).await;
        if let (Ok(_), Some((user, venue))) = (&answer, told.get()) {
            app.bus().publish_control(Control::MembershipChanged { user, venue });
        }
        answer
    });
    running.await.unwrap_or_else(|_| Err(Rejection::of(&IdentityError::Crypto)))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use kernel::ids::MemberId;
    use uuid::Uuid;

    use super::*;

    fn member(id: u128, role: Role) -> Member {
        Member {
            id: MemberId(Uuid::from_u128(id)),
            user_id: UserId(Uuid::from_u128(id)),
            name: "Ana".to_owned(),
            email: "ana@example.org".to_owned(),
            role,
            active: true,
            version: 1,
            created_at: Timestamp::UNIX_EPOCH,
        }
    }

    fn deciders(owners: &[u128]) -> Deciders {
        let owners = owners.iter().map(|id| MemberId(Uuid::from_u128(*id))).collect();
        Deciders { owners, own_role: None }
    }

    #[test]
    fn the_last_owner_stays() {
        let owner = member(1, Role::Owner);
        let alone = check_loss(&deciders(&[1]), Role::Owner, &owner);
        assert!(matches!(alone, Err(IdentityError::LastOwner)));
        assert!(check_loss(&deciders(&[1, 2]), Role::Owner, &owner).is_ok());
        assert!(check_loss(&deciders(&[1]), Role::Owner, &member(2, Role::Manager)).is_ok());
    }

    #[test]
    fn a_manager_takes_nothing_from_an_owner() {
        let loss = |role| check_loss(&deciders(&[1, 2]), Role::Manager, &member(1, role));
        assert!(matches!(loss(Role::Owner), Err(IdentityError::AboveOwnRole)));
        assert!(loss(Role::Manager).is_ok());
        assert!(loss(Role::Scanner).is_ok());
        assert!(check_role(Role::Manager, Role::Owner).is_err());
    }
}
