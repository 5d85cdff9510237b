//! Withdraw an invitation: its link is void.

use actix_web::{delete, web};
use edge::{Actor, Answer, App, Gone, OnceIfGiven, Path, Rejection, WriteRefusals, can};
use kernel::ids::{InvitationId, VenueId};
use pg::Tx;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::IdentityError;
use crate::invite_member::audit;
use crate::membership::check_role;
use crate::store::{invitations, venues};

/// `/venues/{venue}/invitations/{invitation}`.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct InvitationPath {
    /// The venue.
    #[expect(dead_code, reason = "the actor has read it; here it is only documented")]
    pub venue: VenueId,
    /// The invitation.
    pub invitation: InvitationId,
}

/// Withdraw an invitation
#[utoipa::path(
    operation_id = "withdrawInvitation", tag = "identity", params(InvitationPath),
    security(("bearer" = [])), responses((status = 204), WriteRefusals)
)]
#[delete("/api/v1/venues/{venue}/invitations/{invitation}")]
pub(crate) async fn delete_invitation(
    actor: Actor<can::ChangeMembers>,
    once: OnceIfGiven,
    at: Path<InvitationPath>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let id = at.invitation;
    app.write(&actor, once.alone(), async move |tx| {
        withdraw_invitation(tx, id).await.map(|()| Gone)
    })
    .await
}

async fn withdraw_invitation(tx: &mut Tx, id: InvitationId) -> Result<(), IdentityError> {
    let own = venues::lock_deciders(tx).await?.own_role.ok_or(pg::DbError::Forbidden)?;
    let found = invitations::lock_invitation(tx, id).await?.filter(|(_, kept)| kept.open);
    let (invitation, _) = found.ok_or(IdentityError::NoSuchInvitation)?;
    check_role(own, invitation.role)?;
    let venue = tx.venue()?;
    invitations::settle_invitation(tx, venue, id, "withdrawn");
    audit(tx, "invitation_withdrawn", &invitation)
}
