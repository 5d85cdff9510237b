//! What somebody shows at a door: a code, or a ticket that was found by hand. Read and verified
//! before the database is asked for anything.

use std::sync::Arc;

use edge::App;
use kernel::ids::{ListId, ShowId, TicketId, VenueId};
use kernel::scope::Scope;

use crate::TicketsError;
use crate::code::{self, NotACode, Said, Unverified};
use crate::keeper::{Keeper, Kept};
use crate::model::Reason;
use crate::store::scans;

/// What was shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Presented {
    /// A code of this show, verified.
    Code(Said),
    /// A ticket without its code.
    ByHand(TicketId),
    /// A verified code of another show, or nothing that names a ticket here.
    Nothing(Reason, Option<TicketId>),
}

impl Presented {
    pub(crate) fn ticket(&self) -> Option<TicketId> {
        match self {
            Self::Code(said) => Some(said.ticket),
            Self::ByHand(ticket) => Some(*ticket),
            Self::Nothing(_, ticket) => *ticket,
        }
    }

    pub(crate) fn serial(&self) -> Option<u32> {
        match self {
            Self::Code(said) => Some(said.serial),
            _ => None,
        }
    }
}

/// The rules of the show whose list it is: as they are kept, or as they are read now.
pub(crate) async fn rules_of_list(
    app: &App,
    keeper: &Keeper,
    scope: Scope,
    venue: VenueId,
    list: ListId,
) -> Result<Arc<Kept>, TicketsError> {
    if let Some(kept) = keeper.find_by_list(venue, list) {
        return Ok(kept);
    }
    app.db()
        .read(scope, async |q| {
            let show = scans::show_of_list(q, list).await?.ok_or(TicketsError::NoSuchList)?;
            keeper.read(q, show).await
        })
        .await
}

/// Reads the rules of a show again.
pub(crate) async fn read_rules(
    app: &App,
    keeper: &Keeper,
    scope: Scope,
    show: ShowId,
) -> Result<Arc<Kept>, TicketsError> {
    app.db().read(scope, async |q| keeper.read(q, show).await).await
}

/// Reads a code. A key that is not known yet is looked for once.
pub(crate) async fn read_code(
    app: &App,
    keeper: &Keeper,
    scope: Scope,
    kept: &Kept,
    text: &str,
) -> Result<Presented, TicketsError> {
    let code = match code::parse(text) {
        Ok(code) => code,
        Err(NotACode::Stranger) => return Ok(Presented::Nothing(Reason::Unknown, None)),
        Err(_) => return Ok(Presented::Nothing(Reason::Forged, None)),
    };
    let (venue, show, kid) = (code.claims().venue, code.claims().show, code.claims().kid);
    if venue != kept.venue {
        return Ok(Presented::Nothing(Reason::Forged, None));
    }
    if show == kept.rules.doors.show_id {
        if kept.knows(kid) {
            return Ok(verified(kept, code, false));
        }
        let fresh = read_rules(app, keeper, scope, show).await?;
        return Ok(verified(&fresh, code, false));
    }
    let other = match keeper.find(venue, show).filter(|other| other.knows(kid)) {
        Some(other) => Ok(other),
        None => read_rules(app, keeper, scope, show).await,
    };
    match other {
        Ok(other) => Ok(verified(&other, code, true)),
        Err(TicketsError::NoSuchShow) => Ok(Presented::Nothing(Reason::Forged, None)),
        Err(error) => Err(error),
    }
}

fn verified(kept: &Kept, code: Unverified, elsewhere: bool) -> Presented {
    match kept.verify(code) {
        Ok(said) if elsewhere => Presented::Nothing(Reason::WrongShow, Some(said.ticket)),
        Ok(said) => Presented::Code(said),
        Err(_) => Presented::Nothing(Reason::Forged, None),
    }
}

/// Reads a code with what is kept of one show and nothing else: for many codes at once.
pub(crate) fn verify_here(kept: &Kept, text: &str) -> Presented {
    match code::parse(text) {
        Err(NotACode::Stranger) => Presented::Nothing(Reason::Unknown, None),
        Err(_) => Presented::Nothing(Reason::Forged, None),
        Ok(code) if code.claims().venue != kept.venue => Presented::Nothing(Reason::Forged, None),
        Ok(code) if code.claims().show != kept.rules.doors.show_id => {
            Presented::Nothing(Reason::WrongShow, None)
        }
        Ok(code) => verified(kept, code, false),
    }
}
