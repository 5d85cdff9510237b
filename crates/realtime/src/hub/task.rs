//! The owner of all venues and memberships: one task, so that nothing here is locked.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use bus::{Bus, Control, Incoming, Notice, RedisState};
use kernel::clock::Clock;
use kernel::event::{Batch, Pos, TopicMask};
use kernel::ids::VenueId;
use pg::Head;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::sleep_until;

use super::attach::Waiting;
use super::command::{Command, Wish};
use super::presence::{Rooms, is_staffs};
use super::venue::Venue;
use crate::limits::{HEADS_EVERY, HEADS_EVERY_ALONE, READS_AT_ONCE};
use crate::log::{Away, Log};
use crate::protocol::{Answer, CloseCode};
use crate::socket::Socket;

/// Notices and commands taken before anything is sent: they are gathered, and none waits long.
const TAKEN_AT_ONCE: usize = 256;

/// The way to the log: few reads at once, and their answers come back as commands.
#[derive(Clone)]
pub(super) struct Reads {
    pub(super) log: Log,
    pub(super) commands: UnboundedSender<Command>,
    turns: Arc<Semaphore>,
}

impl Reads {
    pub(super) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        self.turns.acquire().await.ok()
    }
}

/// A socket and what it listens to.
pub(super) struct Member {
    pub(super) socket: Arc<Socket>,
    pub(super) venues: Vec<(VenueId, TopicMask)>,
}

pub(super) struct Task {
    pub(super) reads: Reads,
    pub(super) bus: Bus,
    pub(super) clock: Clock,
    pub(super) venues: HashMap<VenueId, Venue>,
    pub(super) members: HashMap<u64, Member>,
    pub(super) rooms: Rooms,
    /// Venues where something happened or is due: the others cost nothing.
    restless: HashSet<VenueId>,
    started: tokio::time::Instant,
    heads_at: Instant,
    heads_asked: bool,
    /// When a head was last read, or none had to be.
    pub(super) heads_read: Instant,
    pub(super) next_beat: Instant,
    pub(super) beats: u64,
}

impl Task {
    pub(super) fn new(
        log: Log,
        bus: Bus,
        clock: Clock,
        commands: UnboundedSender<Command>,
        started: tokio::time::Instant,
    ) -> Self {
        let now = Instant::now();
        let turns = Arc::new(Semaphore::new(READS_AT_ONCE));
        Self {
            reads: Reads { log, commands, turns },
            bus,
            clock,
            venues: HashMap::new(),
            members: HashMap::new(),
            rooms: Rooms::default(),
            restless: HashSet::new(),
            started,
            heads_at: now,
            heads_asked: false,
            heads_read: now,
            next_beat: now,
            beats: 0,
        }
    }

    pub(super) async fn run(
        mut self,
        mut incoming: Incoming,
        mut inbox: UnboundedReceiver<Command>,
    ) {
        loop {
            let wake_at = self.wake_at().into();
            tokio::select! {
                notice = incoming.next() => match notice {
                    Some(notice) => self.notice(notice),
                    None => return,
                },
                command = inbox.recv() => match command {
                    Some(command) => self.command(command),
                    None => return,
                },
                () = sleep_until(wake_at) => {}
            }
            for _ in 0..TAKEN_AT_ONCE {
                let Some(notice) = incoming.try_next() else { break };
                self.notice(notice);
            }
            for _ in 0..TAKEN_AT_ONCE {
                let Ok(command) = inbox.try_recv() else { break };
                self.command(command);
            }
            self.turn();
        }
    }

    /// The hub's time in seconds.
    pub(super) fn second(&self) -> u32 {
        u32::try_from(self.started.elapsed().as_secs()).unwrap_or(u32::MAX)
    }

    fn wake_at(&self) -> Instant {
        let heads = if self.heads_asked { self.next_beat } else { self.heads_at };
        let first = heads.min(self.next_beat);
        let restless = self.restless.iter().filter_map(|id| self.venues.get(id));
        restless.filter_map(Venue::wake_at).fold(first, Instant::min)
    }

    /// Does what is due.
    fn turn(&mut self) {
        let (now, second) = (Instant::now(), self.second());
        let mut granted = Vec::new();
        for id in std::mem::take(&mut self.restless) {
            let Some(venue) = self.venues.get_mut(&id) else { continue };
            venue.flush_if_due(now, second);
            if !venue.waiting.is_empty() {
                granted.extend(venue.settle(None, now, second));
                venue.history_if_due(now, &self.reads);
            }
            venue.read_if_due(now, &self.reads, &self.bus);
            if venue.wake_at().is_some() || !venue.waiting.is_empty() {
                self.restless.insert(id);
            }
        }
        self.note_granted(granted);
        if !self.heads_asked && now >= self.heads_at {
            self.ask_heads(now);
        }
        if now >= self.next_beat {
            self.beat(now, second);
            // Whatever was overlooked is looked at now.
            self.restless.extend(self.venues.keys());
        }
    }

    fn notice(&mut self, notice: Notice) {
        match notice {
            Notice::Batch(batch, _) => self.batch(batch),
            Notice::Control(control) => self.control(control),
            Notice::Presence(presence, origin) => {
                self.rooms.hear(presence, origin, Instant::now());
            }
            // What was published while nobody listened is only in the log.
            Notice::Connected | Notice::Away => self.heads_at = Instant::now(),
        }
    }

    fn batch(&mut self, batch: Batch) {
        let Some(venue) = self.venues.get_mut(&batch.venue) else { return };
        self.restless.insert(batch.venue);
        venue.offer(batch, Instant::now());
    }

    fn control(&mut self, control: Control) {
        if let Control::EventsForgotten { venue, until } = control {
            let (now, second) = (Instant::now(), self.second());
            if let Some(venue) = self.venues.get_mut(&venue) {
                venue.forget(until, now, second);
            }
            return;
        }
        for member in self.members.values() {
            let Some(person) = member.socket.person() else { continue };
            let over = match control {
                Control::UserRevoked { user } => person.user == Some(user),
                Control::SessionRevoked { session } => person.session == Some(session),
                Control::DeviceRevoked { device } => {
                    person.device.is_some_and(|own| own.0 == device)
                }
                Control::MembershipChanged { user, venue } => {
                    let listens = member.venues.iter().any(|(id, _)| *id == venue);
                    if person.user == Some(user) && listens {
                        member.socket.recheck(venue);
                    }
                    false
                }
                Control::EventsForgotten { .. } => false,
            };
            if over {
                member.socket.close(CloseCode::Forbidden);
            }
        }
    }

    fn command(&mut self, command: Command) {
        let (now, second) = (Instant::now(), self.second());
        match command {
            Command::Join(socket) => {
                self.members.insert(socket.id, Member { socket, venues: Vec::new() });
            }
            Command::Leave(socket) => self.forget(socket),
            Command::Subscribe(wish) => self.subscribe(wish, now),
            Command::Unsubscribe { socket, id, venue } => {
                self.take_out(socket, venue);
                if let Some(member) = self.members.get(&socket) {
                    member.socket.push(&Answer::Unsubscribed { id, venue }.frame(), second);
                }
            }
            Command::Enter(seen) => self.enter(seen),
            Command::Regrant { socket, venue, open } => self.regrant(socket, venue, open),
            Command::Opened(id, read) => self.opened(id, read, now, second),
            Command::Repaired { venue, asked, number, read } => {
                self.restless.insert(venue);
                if let Some(venue) = self.venues.get_mut(&venue) {
                    venue.repaired((asked, number), read, now, second);
                }
            }
            Command::History { venue, from, read } => {
                let Some(venue) = self.venues.get_mut(&venue) else { return };
                let granted = venue.history_read(from, read, now, second);
                self.restless.insert(venue.id);
                self.note_granted(granted);
            }
            Command::Heads { asked, read } => self.heads(asked, read, now),
            Command::Sockets(tell) => {
                let all = self.members.values().map(|member| Arc::clone(&member.socket));
                let _ = tell.send(all.collect());
            }
        }
    }

    fn subscribe(&mut self, wish: Wish, now: Instant) {
        // A second wish for a venue replaces the first.
        self.take_out(wish.socket, wish.venue);
        let Some(member) = self.members.get(&wish.socket) else { return };
        let id = wish.venue;
        let waiting = Waiting::new(wish, Arc::clone(&member.socket), now);
        self.restless.insert(id);
        let (reads, bus, clock) = (&self.reads, &self.bus, &self.clock);
        let venue = self.venues.entry(id).or_insert_with(|| {
            let mut venue = Venue::new(id, clock.clone(), now);
            venue.open(reads, bus);
            venue
        });
        venue.idle_since = None;
        venue.waiting.push(waiting);
    }

    fn opened(&mut self, id: VenueId, read: super::command::Read, now: Instant, second: u32) {
        let Some(venue) = self.venues.get_mut(&id) else { return };
        self.restless.insert(id);
        if !venue.opened(read, now) {
            for waiting in &venue.waiting {
                waiting.refuse("not_found", "there is no such venue", false, second);
            }
            self.venues.remove(&id);
            self.bus.unsubscribe(id);
        }
    }

    /// Whoever was granted a wish is a member of its venue from now on.
    fn note_granted(&mut self, granted: Vec<Wish>) {
        for wish in granted {
            if let Some(member) = self.members.get_mut(&wish.socket) {
                member.venues.push((wish.venue, wish.grant.mask));
            }
        }
    }

    /// A role changed: what is no longer open is taken from the subscription.
    fn regrant(&mut self, socket: u64, venue: VenueId, open: TopicMask) {
        let second = self.second();
        let Some(member) = self.members.get_mut(&socket) else { return };
        let Some(place) = member.venues.iter_mut().find(|(id, _)| *id == venue) else { return };
        let Some(venue) = self.venues.get_mut(&venue) else { return };
        let Some(old) = venue.roster.grant(socket, place.1) else { return };
        let new = old.narrowed(open);
        if new.is_empty() {
            return member.socket.close(CloseCode::Forbidden);
        }
        if new == old {
            return;
        }
        place.1 = new.mask;
        if !is_staffs(new.mask) {
            self.rooms.leave(socket, venue.id);
        }
        venue.flush(Instant::now(), second);
        let told = venue.line.as_ref().map_or(0, |line| line.head().seq);
        if let Some(socket) = venue.roster.remove(socket, old.mask) {
            socket.push(&Answer::Topics { venue: venue.id, topics: &new }.frame(), second);
            venue.roster.add(socket, &new, told);
        }
    }

    /// Takes a socket out of a venue.
    fn take_out(&mut self, socket: u64, id: VenueId) {
        let second = self.second();
        let Some(member) = self.members.get_mut(&socket) else { return };
        let place = member.venues.iter().position(|(venue, _)| *venue == id);
        let mask = place.map(|place| member.venues.swap_remove(place).1);
        self.rooms.leave(socket, id);
        let Some(venue) = self.venues.get_mut(&id) else { return };
        venue.waiting.retain(|waiting| waiting.wish.socket != socket);
        if let Some(mask) = mask {
            // What is in line already was for it, too.
            venue.flush(Instant::now(), second);
            venue.roster.remove(socket, mask);
        }
    }

    /// A socket is gone.
    pub(super) fn forget(&mut self, socket: u64) {
        let Some(member) = self.members.remove(&socket) else { return };
        for (id, mask) in member.venues {
            self.rooms.leave(socket, id);
            if let Some(venue) = self.venues.get_mut(&id) {
                venue.roster.remove(socket, mask);
            }
        }
        for venue in self.venues.values_mut().filter(|venue| !venue.waiting.is_empty()) {
            venue.waiting.retain(|waiting| waiting.wish.socket != socket);
        }
    }

    /// Compares all active venues with the log, in one query.
    fn ask_heads(&mut self, now: Instant) {
        let carried = self.bus.state() == RedisState::Connected;
        self.heads_at = now + if carried { HEADS_EVERY } else { HEADS_EVERY_ALONE };
        let open = self.venues.values().filter_map(|v| Some((v.id, v.line.as_ref()?.head())));
        let asked: Vec<_> = open.collect();
        if asked.is_empty() || pg::control::Control::HeadCheck.is_out() {
            self.heads_read = now;
            return;
        }
        self.heads_asked = true;
        let reads = self.reads.clone();
        actix_web::rt::spawn(async move {
            let began = Instant::now();
            let read = reads.log.heads(asked.iter().map(|(id, _)| *id).collect()).await;
            metrics::histogram!("rowlock_head_check_seconds").record(began.elapsed());
            reads.tell(Command::Heads { asked, read });
        });
    }

    fn heads(&mut self, asked: Vec<(VenueId, Pos)>, read: Result<Vec<Head>, Away>, now: Instant) {
        self.heads_asked = false;
        let heads = match read {
            Ok(heads) => heads,
            Err(error) => {
                return tracing::warn!(error = %error, "the heads were not read");
            }
        };
        self.heads_read = now;
        let asked: HashMap<_, _> = asked.into_iter().collect();
        for head in heads {
            let line = self.venues.get_mut(&head.venue).and_then(|venue| venue.line.as_mut());
            if let (Some(line), Some(asked)) = (line, asked.get(&head.venue)) {
                line.compare(*asked, head, now);
                if line.due(now, false).is_some() {
                    self.restless.insert(head.venue);
                }
            }
        }
    }
}
