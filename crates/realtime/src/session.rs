//! The protocol of one socket: who it is, what it asks, one request after another.

use std::net::IpAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use actix_web::web;
use bus::RedisState;
use edge::App;
use edge::token::{Claims, TokenError};
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use kernel::event::{Pos, Topic, TopicMask};
use kernel::ids::VenueId;
use kernel::role::Standing;
use kernel::scope::Scope;
use pg::DbError;

use crate::counts::Place;
use crate::hub::{Hub, Seen, Wish};
use crate::limits::{SCREEN_MAX_CHARS, VENUES_PER_SOCKET};
use crate::protocol::{Answer, CloseCode, Request};
use crate::rate::Rate;
use crate::socket::{Person, Socket};

type Looked = Result<Standing, DbError>;

/// A standing that is being read, and what for.
struct Lookup {
    purpose: Purpose,
    standing: LocalBoxFuture<'static, Looked>,
}

enum Purpose {
    Subscribe(Wish),
    Recheck(VenueId),
}

/// One socket's side of the protocol.
pub(crate) struct Session {
    app: web::Data<App>,
    pub(crate) hub: Hub,
    pub(crate) socket: Arc<Socket>,
    address: IpAddr,
    person: Option<Person>,
    /// The place that this socket takes of its user or address.
    place: Option<Place>,
    venues: Vec<VenueId>,
    rate: Rate,
    lookup: Option<Lookup>,
}

impl Session {
    pub(crate) fn new(app: web::Data<App>, hub: Hub, address: IpAddr, place: Place) -> Self {
        let socket = hub.join();
        let rate = Rate::new(Instant::now());
        Self {
            app,
            hub,
            socket,
            address,
            person: None,
            place: Some(place),
            venues: Vec::new(),
            rate,
            lookup: None,
        }
    }

    /// Whether the socket has said who it is.
    pub(crate) fn is_greeted(&self) -> bool {
        self.person.is_some()
    }

    /// Whether a request is being worked on: the next one waits.
    pub(crate) fn is_busy(&mut self, cx: &mut Context<'_>) -> bool {
        if self.lookup.is_none() {
            self.start_recheck();
        }
        while let Some(lookup) = &mut self.lookup {
            let Poll::Ready(standing) = lookup.standing.poll_unpin(cx) else { return true };
            if let Some(lookup) = self.lookup.take() {
                self.looked_up(lookup.purpose, standing);
            }
            self.start_recheck();
        }
        false
    }

    /// Takes one frame of the rate. False: too many.
    pub(crate) fn takes(&mut self) -> bool {
        self.rate.take(Instant::now())
    }

    /// Understands a text frame.
    pub(crate) fn text(&mut self, json: &[u8]) {
        let Ok(request) = serde_json::from_slice::<Request>(json) else {
            return self.socket.close(CloseCode::BadFrame);
        };
        match (request.op.as_str(), self.is_greeted()) {
            ("auth", _) => self.auth(request.id, request.token.as_deref()),
            (_, false) => self.socket.close(CloseCode::NoAuth),
            ("sub", true) => self.subscribe(&request),
            ("unsub", true) => self.unsubscribe(&request),
            ("presence", true) => self.presence(&request),
            ("ping", true) => self.say(&Answer::Pong { id: request.id }),
            _ => self.refuse(request.id, "unknown_op", "ops are auth, sub, unsub, presence, ping"),
        }
    }

    fn say(&self, answer: &Answer<'_>) {
        self.socket.push(&answer.frame(), self.hub.seconds());
    }

    fn refuse(&self, id: i64, code: &str, message: &str) {
        self.say(&Answer::Err { id, code, message, retry: false });
    }

    fn auth(&mut self, id: i64, token: Option<&str>) {
        match (token.map(|token| self.app.keys().verify(token)), self.person) {
            (Some(Ok(claims)), _) => self.sign_in(id, &claims),
            (Some(Err(TokenError::Expired)), _) => self.socket.close(CloseCode::TokenExpired),
            (Some(Err(TokenError::Revoked)), _) => self.socket.close(CloseCode::Forbidden),
            (Some(Err(TokenError::Invalid)), _) => self.socket.close(CloseCode::BadToken),
            (None, None) => self.stay_anonymous(id),
            (None, Some(_)) => self.refuse(id, "bad_request", "a renewal needs a token"),
        }
    }

    /// The first sign-in, or a renewal by the same user.
    pub(crate) fn sign_in(&mut self, id: i64, claims: &Claims) {
        let known = self.person.and_then(|person| person.user);
        if known.is_some_and(|user| user != claims.user) {
            return self.socket.close(CloseCode::BadToken);
        }
        if known.is_none() {
            let Some(place) = self.hub.counts().user(claims.counted()) else {
                return self.socket.close(CloseCode::TooManyConnections);
            };
            self.place = Some(place);
        }
        let device = claims.device.map(|device| device.id);
        let person = Person { user: Some(claims.user), session: Some(claims.session), device };
        self.greet(person, Some(claims.expires_at.as_microsecond()));
        // The token's roles may be other ones than before.
        self.venues.iter().for_each(|venue| self.socket.recheck(*venue));
        let name = self.hub.name(&self.socket);
        let exp = Some(claims.expires_at.as_second());
        self.socket.push(&Answer::welcome(id, &name, person.user, exp), self.hub.seconds());
    }

    /// Without a token there are the public topics.
    fn stay_anonymous(&mut self, id: i64) {
        let Some(place) = self.hub.counts().anonymous(self.address) else {
            return self.socket.close(CloseCode::TooManyConnections);
        };
        self.place = Some(place);
        self.greet(Person::default(), None);
        let name = self.hub.name(&self.socket);
        self.socket.push(&Answer::welcome(id, &name, None, None), self.hub.seconds());
    }

    fn greet(&mut self, person: Person, deadline: Option<i64>) {
        self.person = Some(person);
        self.socket.greet(person, deadline);
    }

    fn subscribe(&mut self, request: &Request) {
        let id = request.id;
        let Some(venue) = venue(request) else {
            return self.refuse(id, "bad_request", "venue is the id of a venue");
        };
        let since = match request.since.as_deref().map(str::parse::<Pos>) {
            None => None,
            Some(Ok(pos)) => Some(pos),
            Some(Err(error)) => return self.refuse(id, "bad_pos", &error.to_string()),
        };
        if !self.venues.contains(&venue) {
            if self.venues.len() == VENUES_PER_SOCKET {
                return self.socket.close(CloseCode::TooManyVenues);
            }
            self.venues.push(venue);
        }
        let wish = Wish { socket: self.socket.id, id, venue, mask: asked(request), since };
        self.look_up(venue, Purpose::Subscribe(wish));
    }

    fn unsubscribe(&mut self, request: &Request) {
        let Some(venue) = venue(request) else {
            return self.refuse(request.id, "bad_request", "venue is the id of a venue");
        };
        self.venues.retain(|known| *known != venue);
        self.hub.unsubscribe(&self.socket, request.id, venue);
    }

    fn presence(&self, request: &Request) {
        let (id, user) = (request.id, self.person.and_then(|person| person.user));
        let known = venue(request).filter(|venue| self.venues.contains(venue));
        let (Some(venue), Some(user)) = (known, user) else {
            return self.refuse(id, "forbidden", "sign in and listen to the venue first");
        };
        let screen = request.screen.clone();
        if screen.as_ref().is_some_and(|name| !is_screen(name)) {
            return self.refuse(id, "bad_request", "screen is 1 to 40 of a-z, 0-9, `-`, `_`, `.`");
        }
        self.hub.enter(Seen { socket: self.socket.id, id, venue, user, screen });
    }

    fn look_up(&mut self, venue: VenueId, purpose: Purpose) {
        let person = self.person.unwrap_or_default();
        let app = self.app.clone();
        let who = Scope::venue(venue, person.user).on(person.device);
        let standing = async move { app.standing(who, venue).await }.boxed_local();
        self.lookup = Some(Lookup { purpose, standing });
    }

    fn start_recheck(&mut self) {
        while self.lookup.is_none()
            && let Some(venue) = self.socket.take_recheck()
        {
            if self.venues.contains(&venue) {
                self.look_up(venue, Purpose::Recheck(venue));
            }
        }
    }

    fn looked_up(&mut self, purpose: Purpose, standing: Looked) {
        match (purpose, standing) {
            (_, Err(DbError::UserGone)) => self.socket.close(CloseCode::Forbidden),
            (Purpose::Subscribe(wish), Ok(standing)) => self.wish(wish, standing),
            (Purpose::Subscribe(wish), Err(error)) => {
                tracing::warn!(error = %error, "a standing was not read");
                self.venues.retain(|venue| *venue != wish.venue);
                let message = "the standing cannot be read at the moment";
                self.say(&Answer::Err { id: wish.id, code: "unavailable", message, retry: true });
            }
            (Purpose::Recheck(venue), Ok(standing)) => {
                self.hub.regrant(&self.socket, venue, open_to(standing));
            }
            // While Redis carries, events go on without the database, so a right that may be gone
            // is not kept: another worker can look it up. Otherwise nothing can be heard before
            // the database is back, and then this look-up is repeated.
            (Purpose::Recheck(_), Err(_)) => {
                if self.app.bus().state() == RedisState::Connected {
                    self.socket.close(CloseCode::DatabaseLost);
                }
            }
        }
    }

    fn wish(&mut self, wish: Wish, standing: Standing) {
        let mask = TopicMask(wish.mask.0 & open_to(standing).0);
        if mask.0 == 0 {
            self.venues.retain(|venue| *venue != wish.venue);
            return self.refuse(wish.id, "forbidden", "none of these topics is open to you");
        }
        self.hub.subscribe(Wish { mask, ..wish });
    }
}

fn venue(request: &Request) -> Option<VenueId> {
    request.venue.as_deref()?.parse().ok()
}

fn is_screen(name: &str) -> bool {
    let plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.');
    (1..=SCREEN_MAX_CHARS).contains(&name.len()) && name.bytes().all(plain)
}

/// The topics asked for: all, unless some are named. A name that is unknown is not granted.
fn asked(request: &Request) -> TopicMask {
    match &request.topics {
        None => TopicMask(u16::MAX),
        Some(names) => names
            .iter()
            .filter_map(|name| Topic::from_name(name))
            .fold(TopicMask::default(), TopicMask::with),
    }
}

/// The topics that a standing may hear.
pub(crate) fn open_to(standing: Standing) -> TopicMask {
    let open = Topic::ALL.iter().filter(|topic| topic.open_to(standing));
    open.fold(TopicMask::default(), |mask, topic| mask.with(*topic))
}
