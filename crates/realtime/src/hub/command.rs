//! What the owner task is told.

use std::sync::Arc;

use kernel::event::{Pos, TopicMask};
use kernel::ids::VenueId;
use pg::{Head, Stored};
use tokio::sync::oneshot;

use super::Since;
use super::presence::Seen;
use crate::grant::Grant;
use crate::log::{Away, Extract};
use crate::socket::Socket;

/// A socket wishes to listen.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    pub(crate) socket: u64,
    /// The client's number for its request.
    pub(crate) id: i64,
    pub(crate) venue: VenueId,
    /// What it asked for and may hear.
    pub(crate) grant: Grant,
    pub(crate) since: Since,
}

/// An answer of the log: none when there is no such venue.
pub(super) type Read = Result<Option<Extract>, Away>;

pub(super) enum Command {
    Join(Arc<Socket>),
    Leave(u64),
    Subscribe(Wish),
    Unsubscribe { socket: u64, id: i64, venue: VenueId },
    Enter(Seen),
    Regrant { socket: u64, venue: VenueId, open: TopicMask },
    Opened(VenueId, Read),
    Repaired { venue: VenueId, asked: Pos, number: u64, read: Read },
    History { venue: VenueId, from: i64, read: Result<Vec<Stored>, Away> },
    Heads { asked: Vec<(VenueId, Pos)>, read: Result<Vec<Head>, Away> },
    Sockets(oneshot::Sender<Vec<Arc<Socket>>>),
}
