//! Invite: somebody without an account gets a link that gives them a role.

use jiff::SignedDuration;
use kernel::ids::InvitationId;
use kernel::role::Role;
use pg::Tx;

use crate::mailed_link::INVITATION;
use crate::model::{Email, Invitation};
use crate::state::Identity;
use crate::store::invitations;
use crate::{IdentityError, letters};

/// How long an invitation counts.
const INVITATION_LIFE: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Invitations of a venue that may be open at the same time.
const OPEN_MAX: usize = 200;
/// The same address is invited again no sooner than this, in seconds: nobody's mailbox is filled.
const AGAIN_AFTER_SECS: u32 = 60;

/// The rule. An open invitation of the same address is replaced: its link is void, a new one is
/// mailed. Whoever invites has been checked.
pub(crate) async fn invite_member(
    tx: &mut Tx,
    identity: &Identity,
    email: &Email,
    role: Role,
) -> Result<Invitation, IdentityError> {
    let (open, venue_name) = invitations::lock_open(tx).await?;
    let (venue, now) = (tx.venue()?, tx.now());
    if let Some(old) = invitations::of_address(&open, email) {
        let free_at = old.created_at + SignedDuration::from_secs(AGAIN_AFTER_SECS.into());
        if free_at > now {
            return Err(IdentityError::TooManyAttempts(AGAIN_AFTER_SECS));
        }
        invitations::settle_invitation(tx, venue, old.id, "withdrawn");
    } else if invitations::count_live(&open, now) >= OPEN_MAX {
        return Err(IdentityError::TooManyInvitations);
    }
    let invitation = Invitation {
        id: InvitationId::fresh(now),
        email: email.as_str().to_owned(),
        role,
        created_at: now,
        expires_at: now + INVITATION_LIFE,
    };
    let (token, hash) = INVITATION.fresh([venue.0, invitation.id.0])?;
    invitations::insert_invitation(tx, venue, &invitation, (email, hash));
    let url = &identity.settings.public_url;
    notify::queue_mail(tx, letters::invitation((email.as_str(), role), &venue_name, url, &token))?;
    audit(tx, "member_invited", &invitation)?;
    Ok(invitation)
}

/// The log is never changed, so it holds no address.
pub(crate) fn audit(
    tx: &mut Tx,
    action: &'static str,
    invitation: &Invitation,
) -> Result<(), IdentityError> {
    let detail = serde_json::json!({ "role": invitation.role });
    Ok(tx.audit(action, ("invitation", invitation.id.0), &detail)?)
}
