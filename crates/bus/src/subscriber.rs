//! Listens to the active venues' channels on a connection of its own, for ever.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::future::BoxFuture;
use kernel::ids::VenueId;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout};

use crate::backoff::Backoff;
use crate::channel::{Names, partition};
use crate::link::{Arrival, Messages, Switch, Target};
use crate::notice::{Ears, Notice, Origin};
use crate::state::Links;
use crate::wire::{self, Message};

/// Channels named in one SUBSCRIBE.
const CHANNELS_PER_COMMAND: usize = 512;
/// How long Redis may take to confirm one SUBSCRIBE.
const CONFIRM_DEADLINE: Duration = Duration::from_secs(2);
/// How often Redis is asked whether it is there.
const PING_EVERY: Duration = Duration::from_secs(1);
/// No answer in this time: Redis counts as away, so that the heads are looked at more often.
const PING_SUSPECT: Duration = Duration::from_millis(250);
/// No answer in this time after that: the connection is given up.
const PING_GIVE_UP: Duration = Duration::from_millis(1_750);

/// What the listener wishes.
#[derive(Debug)]
pub(crate) enum Request {
    Subscribe(VenueId, oneshot::Sender<bool>),
    Unsubscribe(VenueId),
}

/// Why a session with Redis ended.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error("the bus is gone")]
    Bus,
    #[error("Redis closed the connection")]
    Closed,
    #[error("a channel moved to another node")]
    Moved,
    #[error("Redis does not answer")]
    Silent,
    #[error(transparent)]
    Redis(#[from] redis::RedisError),
}

pub(crate) struct Subscriber {
    target: Target,
    names: Names,
    origin: u64,
    links: Links,
    ears: Ears,
    wanted: HashSet<VenueId>,
}

impl Subscriber {
    pub(crate) fn new(target: Target, names: Names, origin: u64, links: Links, ears: Ears) -> Self {
        Self { target, names, origin, links, ears, wanted: HashSet::new() }
    }

    /// Listens until the bus is gone.
    pub(crate) async fn run(mut self, mut requests: mpsc::UnboundedReceiver<Request>) {
        let mut backoff = Backoff::new();
        loop {
            let end = self.session(&mut requests, &mut backoff).await;
            self.links.set_subscriber(false);
            match end {
                End::Bus => return,
                end => tracing::debug!(error = %end, "the subscriber's session ended"),
            }
            let wait = sleep(backoff.wait());
            tokio::pin!(wait);
            loop {
                tokio::select! {
                    () = &mut wait => break,
                    request = requests.recv() => match request {
                        Some(request) => self.note(request),
                        None => return,
                    },
                }
            }
        }
    }

    /// Keeps a wish for when Redis is back.
    fn note(&mut self, request: Request) {
        match request {
            Request::Subscribe(venue, confirm) => {
                self.wanted.insert(venue);
                let _ = confirm.send(false);
            }
            Request::Unsubscribe(venue) => {
                self.wanted.remove(&venue);
            }
        }
    }

    async fn session(
        &mut self,
        requests: &mut mpsc::UnboundedReceiver<Request>,
        backoff: &mut Backoff,
    ) -> End {
        let (switch, messages) = match self.connect(requests).await {
            Ok(inlet) => inlet,
            Err(end) => return end,
        };
        backoff.reset();
        self.links.set_subscriber(true);
        self.ears.tell(Notice::Connected);
        match self.listen(switch, messages, requests).await {
            Ok(never) => match never {},
            Err(end) => end,
        }
    }

    /// Connects and subscribes to all that is wanted.
    async fn connect(
        &mut self,
        requests: &mut mpsc::UnboundedReceiver<Request>,
    ) -> Result<(Switch, Messages), End> {
        let target = self.target.clone();
        let inlet = target.inlet();
        tokio::pin!(inlet);
        let (switch, messages) = loop {
            tokio::select! {
                inlet = &mut inlet => break inlet?,
                request = requests.recv() => self.note(request.ok_or(End::Bus)?),
            }
        };
        confirm(switch.clone().subscribe(vec![self.names.control()])).await?;
        let venues: Vec<_> = self.wanted.iter().copied().collect();
        for channels in self.commands(&venues) {
            confirm(switch.clone().subscribe(channels)).await?;
        }
        Ok((switch, messages))
    }

    async fn listen(
        &mut self,
        switch: Switch,
        mut messages: Messages,
        requests: &mut mpsc::UnboundedReceiver<Request>,
    ) -> Result<std::convert::Infallible, End> {
        let mut ping = interval_at(Instant::now() + PING_EVERY, PING_EVERY);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // Both go on while messages are read. One change at a time: Redis sees them in order.
        let mut probing: Option<BoxFuture<'_, Result<(), End>>> = None;
        let mut change: Option<BoxFuture<'_, Result<(), End>>> = None;
        loop {
            tokio::select! {
                biased;
                arrival = messages.next() => self.hear(arrival.ok_or(End::Closed)?)?,
                done = ready(&mut probing) => { probing = None; done?; }
                done = ready(&mut change) => { change = None; done?; }
                _ = ping.tick(), if probing.is_none() => {
                    probing = Some(Box::pin(probe(switch.clone(), self.links.clone())));
                }
                request = requests.recv(), if change.is_none() => {
                    let first = request.ok_or(End::Bus)?;
                    change = Some(self.change(switch.clone(), first, requests));
                }
            }
        }
    }

    fn hear(&self, arrival: Arrival) -> Result<(), End> {
        match arrival {
            Arrival::Message(bytes) => self.message(bytes),
            // Connecting anew finds where it is now, and has the heads looked at.
            Arrival::Off(channel) if self.wants(&channel) => return Err(End::Moved),
            Arrival::Off(_) => {}
        }
        Ok(())
    }

    fn wants(&self, channel: &str) -> bool {
        channel == self.names.control()
            || self.wanted.iter().any(|venue| self.names.venue(*venue) == channel)
    }

    fn message(&self, bytes: bytes::Bytes) {
        match wire::decode(bytes) {
            Ok((origin, _)) if origin == self.origin => {}
            Ok((_, Message::Batch(batch))) => {
                self.ears.tell(Notice::Batch(batch, Origin::Remote));
            }
            Ok((origin, Message::Presence(presence))) => {
                self.ears.tell(Notice::Presence(presence, origin));
            }
            Ok((_, Message::Control(control))) => self.ears.tell(Notice::Control(control)),
            Err(error) => {
                metrics::counter!("rowlock_bus_messages_refused_total").increment(1);
                tracing::debug!(error = %error, "a message on the bus was refused");
            }
        }
    }

    /// The commands for the requests that wait, those of one kind together.
    fn change(
        &mut self,
        switch: Switch,
        first: Request,
        requests: &mut mpsc::UnboundedReceiver<Request>,
    ) -> BoxFuture<'static, Result<(), End>> {
        let (mut on, mut off, mut confirms) = (Vec::new(), Vec::new(), Vec::new());
        let mut next = Some(first);
        while let Some(request) = next {
            match request {
                Request::Subscribe(venue, confirm) => {
                    off.retain(|other| *other != venue);
                    self.wanted.insert(venue);
                    on.push(venue);
                    confirms.push(confirm);
                }
                Request::Unsubscribe(venue) => {
                    on.retain(|other| *other != venue);
                    self.wanted.remove(&venue);
                    off.push(venue);
                }
            }
            let room = on.len() + off.len() < CHANNELS_PER_COMMAND;
            next = if room { requests.try_recv().ok() } else { None };
        }
        let (on, off) = (self.commands(&on), self.commands(&off));
        Box::pin(async move {
            for channels in on {
                confirm(switch.clone().subscribe(channels)).await?;
            }
            // A dropped sender answers false; these answer true.
            for confirm in confirms {
                let _ = confirm.send(true);
            }
            for channels in off {
                confirm(switch.clone().unsubscribe(channels)).await?;
            }
            Ok(())
        })
    }

    /// The channels of `venues`, cut into commands; in a cluster one partition each.
    fn commands(&self, venues: &[VenueId]) -> Vec<Vec<String>> {
        let mut venues = venues.to_vec();
        let key = |venue: &VenueId| if self.names.sharded() { partition(*venue) } else { 0 };
        venues.sort_by_key(key);
        venues
            .chunk_by(|a, b| key(a) == key(b))
            .flat_map(|same| same.chunks(CHANNELS_PER_COMMAND))
            .map(|chunk| chunk.iter().map(|venue| self.names.venue(*venue)).collect())
            .collect()
    }
}

/// Waits for Redis' confirmation, not for ever.
async fn confirm(change: impl Future<Output = redis::RedisResult<()>>) -> Result<(), End> {
    timeout(CONFIRM_DEADLINE, change).await.map_err(|_| End::Silent)?.map_err(End::Redis)
}

/// Asks Redis whether it is there: suspected after a quarter of a second, given up after two.
async fn probe(switch: Switch, links: Links) -> Result<(), End> {
    let ping = switch.ping();
    tokio::pin!(ping);
    if let Ok(answer) = timeout(PING_SUSPECT, &mut ping).await {
        return answer.map_err(End::Redis);
    }
    links.set_subscriber(false);
    timeout(PING_GIVE_UP, ping).await.map_err(|_| End::Silent)??;
    links.set_subscriber(true);
    Ok(())
}

/// The future's end; never, while there is none.
async fn ready(slot: &mut Option<BoxFuture<'_, Result<(), End>>>) -> Result<(), End> {
    match slot {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}
