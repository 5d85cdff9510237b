//! What is done each second: heartbeats, deadlines, venues that nobody listens to.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use bus::RedisState;
use bytes::Bytes;
use kernel::ids::VenueId;

use super::micros;
use super::task::{Member, Task};
use super::venue::Venue;
use crate::frame;
use crate::limits::{
    DATABASE_AWAY_MAX, HEARTBEAT_SECS, HOLE_MAX, RECHECK_SECS, SILENCE_MAX, STALL_MAX, TOKEN_GRACE,
    VENUE_IDLE_MAX,
};
use crate::protocol::{Answer, CloseCode};
use crate::socket::Pulse;

const BEAT: Duration = Duration::from_secs(1);

impl Task {
    pub(super) fn beat(&mut self, now: Instant, second: u32) {
        self.next_beat = now + BEAT;
        self.beats += 1;
        self.watch_sockets(second);
        self.heartbeat(second);
        self.rooms.beat(now, &self.bus, &self.members, second);
        self.recheck_alone();
        self.watch_database(now);
        self.watch_venues(now, second);
    }

    /// Closes sockets that are silent, stalled or late; forgets those that are closing.
    fn watch_sockets(&mut self, second: u32) {
        let clock = self.clock.now().as_microsecond();
        let (mut closing, mut waiting) = (Vec::new(), 0_usize);
        for member in self.members.values() {
            let pulse = member.socket.pulse();
            waiting += pulse.bytes;
            if pulse.closing {
                closing.push(member.socket.id);
            } else if let Some(code) = overdue(&pulse, clock, second) {
                if code == CloseCode::Slow {
                    metrics::counter!("rowlock_slow_close_total").increment(1);
                }
                member.socket.close(code);
            }
        }
        for id in closing {
            self.forget(id);
        }
        metrics::gauge!("rowlock_socket_queue_bytes").set(gauge(waiting));
        metrics::gauge!("rowlock_sockets").set(gauge(self.members.len()));
        metrics::gauge!("rowlock_active_venues").set(gauge(self.venues.len()));
    }

    /// One socket in 25 is pinged and told where its venues are.
    fn heartbeat(&mut self, second: u32) {
        let ping = frame::ping();
        let slice = self.beats % HEARTBEAT_SECS;
        let mut known: HashMap<VenueId, Bytes> = HashMap::new();
        for Member { socket, venues } in self.members.values() {
            if socket.id % HEARTBEAT_SECS != slice {
                continue;
            }
            socket.push(&ping, second);
            for (id, _) in venues {
                let venue = self.venues.get(id);
                let Some(line) = venue.and_then(Venue::settled_line) else { continue };
                let chunk = known.entry(*id).or_insert_with(|| Answer::pos(*id, line));
                socket.push(chunk, second);
            }
        }
    }

    /// Without Redis nobody tells of changed roles: they are looked up, a slice each second.
    fn recheck_alone(&self) {
        if self.bus.state() == RedisState::Connected {
            return;
        }
        let slice = self.beats % RECHECK_SECS;
        for Member { socket, venues } in self.members.values() {
            if socket.id % RECHECK_SECS == slice
                && socket.person().is_some_and(|person| person.user.is_some())
            {
                for (id, _) in venues {
                    socket.recheck(*id);
                }
            }
        }
    }

    /// Sends everybody elsewhere when this worker has lost its database.
    fn watch_database(&mut self, now: Instant) {
        if now.duration_since(self.heads_read) > DATABASE_AWAY_MAX && !self.venues.is_empty() {
            tracing::error!("no head was read for 15 s: the sockets are sent elsewhere");
            for member in self.members.values() {
                member.socket.close(CloseCode::DatabaseLost);
            }
            self.heads_read = now;
        }
    }

    fn watch_venues(&mut self, now: Instant, second: u32) {
        let mut idle = Vec::new();
        for venue in self.venues.values_mut() {
            venue.refuse_late(now, second);
            venue.tell_positions(second);
            venue.close_stuck(now);
            if !venue.roster.is_empty() || !venue.waiting.is_empty() {
                venue.idle_since = None;
            } else if now.duration_since(*venue.idle_since.get_or_insert(now)) > VENUE_IDLE_MAX {
                idle.push(venue.id);
            }
        }
        for id in idle {
            self.venues.remove(&id);
            self.bus.unsubscribe(id);
        }
    }
}

impl Venue {
    /// Sends the venue's sockets elsewhere when a known hole cannot be repaired here.
    fn close_stuck(&mut self, now: Instant) {
        let since = self.line.as_ref().and_then(crate::sequencer::Sequencer::missing_since);
        if since.is_some_and(|since| now.duration_since(since) > HOLE_MAX) {
            for socket in self.roster.sockets() {
                socket.close(CloseCode::DatabaseLost);
            }
        }
    }
}

/// Why a socket must be closed, if it must.
fn overdue(pulse: &Pulse, clock: i64, second: u32) -> Option<CloseCode> {
    let since = |at: u32| u64::from(second.saturating_sub(at));
    if !pulse.greeted && clock >= pulse.deadline {
        Some(CloseCode::NoAuth)
    } else if pulse.greeted && clock.saturating_sub(micros(TOKEN_GRACE)) >= pulse.deadline {
        Some(CloseCode::TokenExpired)
    } else if pulse.waiting_since.is_some_and(|at| since(at) >= STALL_MAX.as_secs()) {
        Some(CloseCode::Slow)
    } else if since(pulse.heard) > SILENCE_MAX.as_secs() {
        Some(CloseCode::NoPong)
    } else {
        None
    }
}

fn gauge(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pulse() -> Pulse {
        Pulse {
            heard: 100,
            waiting_since: None,
            deadline: i64::MAX,
            greeted: true,
            closing: false,
            bytes: 0,
        }
    }

    #[test]
    fn every_deadline_has_its_code() {
        assert_eq!(overdue(&pulse(), 0, 160), None);
        assert_eq!(overdue(&pulse(), 0, 161), Some(CloseCode::NoPong));
        let stalled = Pulse { waiting_since: Some(95), ..pulse() };
        assert_eq!(overdue(&stalled, 0, 103), None);
        assert_eq!(overdue(&stalled, 0, 104), Some(CloseCode::Slow));
        let late = Pulse { greeted: false, deadline: 5, ..pulse() };
        assert_eq!(overdue(&late, 5, 100), Some(CloseCode::NoAuth));
        let expired = Pulse { deadline: 5, ..pulse() };
        assert_eq!(overdue(&expired, 5 + micros(TOKEN_GRACE) - 1, 100), None);
        assert_eq!(overdue(&expired, 5 + micros(TOKEN_GRACE), 100), Some(CloseCode::TokenExpired));
    }
}
