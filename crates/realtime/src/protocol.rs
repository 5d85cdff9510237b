//! The frames of `rowlock.v1`: what has `type` is an event, what has `op` is control.

use bus::Present;
use bytes::Bytes;
use kernel::event::Pos;
use kernel::ids::{UserId, VenueId};
use serde::{Deserialize, Serialize};

use crate::frame;
use crate::grant::Grant;
use crate::limits::HEARTBEAT_SECS;
use crate::sequencer::Reason;

/// The subprotocol's name.
pub const PROTOCOL: &str = "rowlock.v1";

/// Why a socket is closed. 40xx: connect again; 45xx: do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CloseCode {
    Normal,
    Restart,
    Slow,
    NoPong,
    NoAuth,
    TokenExpired,
    TooManyFrames,
    DatabaseLost,
    BadFrame,
    BadToken,
    Forbidden,
    TooManyConnections,
    TooManyVenues,
}

impl CloseCode {
    /// All codes, for the document.
    pub(crate) const ALL: &[Self] = &[
        Self::Normal,
        Self::Restart,
        Self::Slow,
        Self::NoPong,
        Self::NoAuth,
        Self::TokenExpired,
        Self::TooManyFrames,
        Self::DatabaseLost,
        Self::BadFrame,
        Self::BadToken,
        Self::Forbidden,
        Self::TooManyConnections,
        Self::TooManyVenues,
    ];

    pub(crate) fn number(self) -> u16 {
        match self {
            Self::Normal => 1000,
            Self::Restart => 1012,
            Self::Slow => 4001,
            Self::NoPong => 4002,
            Self::NoAuth => 4003,
            Self::TokenExpired => 4004,
            Self::TooManyFrames => 4005,
            Self::DatabaseLost => 4006,
            Self::BadFrame => 4500,
            Self::BadToken => 4501,
            Self::Forbidden => 4503,
            Self::TooManyConnections => 4504,
            Self::TooManyVenues => 4505,
        }
    }

    /// What happened and what to do, for people.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Normal => "bye",
            Self::Restart => "this worker restarts",
            Self::Slow => "too slow: connect again and resume from your last pos",
            Self::NoPong => "nothing heard for 60 s",
            Self::NoAuth => "no auth within 5 s",
            Self::TokenExpired => "the token expired: refresh it and connect again",
            Self::TooManyFrames => "more than 20 frames a second",
            Self::DatabaseLost => "this worker lost its database",
            Self::BadFrame => "not a frame of rowlock.v1",
            Self::BadToken => "the token is not valid",
            Self::Forbidden => "the right to listen was taken away",
            Self::TooManyConnections => "too many connections of this user",
            Self::TooManyVenues => "more than 32 venues",
        }
    }
}

/// What a client asks, before it is understood. Unknown fields are ignored. Not `Debug`: it holds
/// secrets.
#[derive(Deserialize)]
pub(crate) struct Request {
    pub(crate) op: String,
    /// Any integer; it comes back with the answer.
    #[serde(default)]
    pub(crate) id: i64,
    pub(crate) token: Option<String>,
    pub(crate) venue: Option<String>,
    pub(crate) topics: Option<Vec<String>>,
    pub(crate) since: Option<String>,
    pub(crate) secret: Option<String>,
    pub(crate) screen: Option<String>,
}

/// What the server says besides events.
#[derive(Debug, Serialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub(crate) enum Answer<'a> {
    #[serde(rename = "ok")]
    Welcome {
        id: i64,
        session: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        user: Option<UserId>,
        #[serde(skip_serializing_if = "Option::is_none")]
        exp: Option<i64>,
        ping: u64,
    },
    #[serde(rename = "ok")]
    Subscribed {
        id: i64,
        venue: VenueId,
        topics: &'a Grant,
        pos: Pos36,
        replay: usize,
    },
    #[serde(rename = "ok")]
    Unsubscribed {
        id: i64,
        venue: VenueId,
    },
    Pong {
        id: i64,
    },
    Pos {
        venue: VenueId,
        pos: Pos36,
    },
    Resync {
        venue: VenueId,
        pos: Pos36,
        reason: &'static str,
    },
    /// The topics of a subscription changed, because the role did.
    Topics {
        venue: VenueId,
        topics: &'a Grant,
    },
    /// Who of the staff is where; nobody knows without Redis.
    Presence {
        venue: VenueId,
        available: bool,
        people: Vec<&'a Present>,
    },
    Err {
        id: i64,
        code: &'a str,
        message: &'a str,
        retry: bool,
    },
}

/// A position as its text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pos36(pub(crate) Pos);

impl Serialize for Pos36 {
    fn serialize<S: serde::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(&self.0)
    }
}

impl Answer<'_> {
    /// As a frame, the same for every socket.
    pub(crate) fn frame(&self) -> Bytes {
        // These types always serialize; an empty text would be visible at once.
        frame::text(&serde_json::to_vec(self).unwrap_or_default())
    }

    pub(crate) fn welcome(id: i64, session: &str, user: Option<UserId>, exp: Option<i64>) -> Bytes {
        Answer::Welcome { id, session, user, exp, ping: HEARTBEAT_SECS }.frame()
    }

    pub(crate) fn subscribed(
        id: i64,
        venue: VenueId,
        topics: &Grant,
        pos: Pos,
        replay: usize,
    ) -> Bytes {
        Answer::Subscribed { id, venue, topics, pos: Pos36(pos), replay }.frame()
    }

    pub(crate) fn pos(venue: VenueId, pos: Pos) -> Bytes {
        Answer::Pos { venue, pos: Pos36(pos) }.frame()
    }

    pub(crate) fn resync(venue: VenueId, pos: Pos, reason: Reason) -> Bytes {
        Answer::Resync { venue, pos: Pos36(pos), reason: reason.as_str() }.frame()
    }

    pub(crate) fn err(id: i64, code: &str, message: &str, retry: bool) -> Bytes {
        Answer::Err { id, code, message, retry }.frame()
    }
}

#[cfg(test)]
mod tests {
    use kernel::event::Topic;

    use super::*;

    fn json(frame: &Bytes) -> serde_json::Value {
        let head = if frame[1] < 126 { 2 } else { 4 };
        serde_json::from_slice(&frame[head..]).unwrap()
    }

    #[test]
    fn answers_look_as_documented() {
        let venue = VenueId(uuid::Uuid::nil());
        let pos: Pos = "1050-m3k9z7aa".parse().unwrap();
        let mask = Topic::Floor.mask().with(Topic::Guests);
        let grant = Grant::topics(mask);
        assert_eq!(
            json(&Answer::subscribed(2, venue, &grant, pos, 8)),
            serde_json::json!({"op": "ok", "id": 2, "venue": venue, "topics": ["floor", "guests"],
                               "pos": "1050-m3k9z7aa", "replay": 8})
        );
        assert_eq!(
            json(&Answer::resync(venue, pos, Reason::Diverged)),
            serde_json::json!({"op": "resync", "venue": venue, "pos": "1050-m3k9z7aa",
                               "reason": "diverged"})
        );
        assert_eq!(
            json(&Answer::welcome(1, "w3-9f", None, None)),
            serde_json::json!({"op": "ok", "id": 1, "session": "w3-9f", "ping": 25})
        );
    }

    #[test]
    fn unknown_fields_are_ignored() {
        let request: Request =
            serde_json::from_str(r#"{"op":"ping","id":4,"colour":"red"}"#).unwrap();
        assert_eq!((request.op.as_str(), request.id), ("ping", 4));
    }

    #[test]
    fn codes_say_whether_to_connect_again() {
        for code in CloseCode::ALL {
            assert!(code.reason().len() <= 123);
            assert!(matches!(code.number(), 1000 | 1012 | 4000..4500 | 4500..5000));
        }
    }
}
