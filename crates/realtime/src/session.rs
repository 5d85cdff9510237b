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
use kernel::event::Pos;
use kernel::ids::VenueId;
use kernel::role::Standing;
use kernel::scope::Scope;
use pg::DbError;

use crate::counts::Place;
use crate::frame;
use crate::grant::{Asked, Grant, TooMany, open_to};
use crate::hub::{Hub, Seen, Wish};
use crate::limits::{SCREEN_MAX_CHARS, VENUES_PER_SOCKET};
use crate::old::{self, OldFrame, OldSocket};
use crate::protocol::{Answer, CloseCode, Request};
use crate::rate::Rate;
use crate::socket::{Person, Socket};

/// Rights that are being read: one thing at a time, as the client's frames are.
type Lookup = LocalBoxFuture<'static, Looked>;

/// What for, and what was found.
enum Looked {
    Wish(Wish, Result<Grant, DbError>),
    Recheck(VenueId, Result<Standing, DbError>),
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
    /// An app of the earlier system listens to this venue by itself.
    old: Option<OldSocket>,
}

impl Session {
    pub(crate) fn new(
        app: web::Data<App>,
        hub: Hub,
        address: IpAddr,
        place: Option<Place>,
    ) -> Self {
        let socket = hub.join();
        let rate = Rate::new(Instant::now());
        Self {
            app,
            hub,
            socket,
            address,
            person: None,
            place,
            venues: Vec::new(),
            rate,
            lookup: None,
            old: None,
        }
    }

    /// It speaks the dialect of the earlier system.
    pub(crate) fn speak_old(&mut self, old: OldSocket) {
        self.socket.speak_old();
        self.old = Some(old);
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
            let Poll::Ready(looked) = lookup.poll_unpin(cx) else { return true };
            self.lookup = None;
            self.looked_up(looked);
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
        if self.old.is_some() {
            return self.old_text(json);
        }
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

    /// The first frame has the token; after that it says little.
    fn old_text(&mut self, json: &[u8]) {
        let Ok(frame) = serde_json::from_slice::<OldFrame>(json) else {
            return self.socket.close(CloseCode::BadFrame);
        };
        match (frame.token, self.is_greeted()) {
            (Some(token), _) => self.auth(0, Some(&token)),
            (None, false) => self.socket.close(CloseCode::NoAuth),
            (None, true) if frame.r#type.as_deref() == Some("ping") => {
                self.socket.push(&frame::text(br#"{"type":"pong"}"#), self.hub.seconds());
            }
            (None, true) => {}
        }
    }

    /// Such an app subscribes to nothing.
    fn listen_by_itself(&mut self) {
        let Some(OldSocket(venue)) = self.old.filter(|_| self.venues.is_empty()) else { return };
        self.subscribe(&Request {
            op: "sub".to_owned(),
            id: 0,
            token: None,
            venue: Some(venue.to_string()),
            topics: Some(old::TOPICS.map(str::to_owned).to_vec()),
            since: None,
            secret: None,
            screen: None,
        });
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
        self.listen_by_itself();
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
        let asked = match asked(request.topics.as_deref()) {
            Ok(asked) => asked,
            Err(error) => return self.refuse(id, "too_many_topics", &error.to_string()),
        };
        if !self.venues.contains(&venue) {
            if self.venues.len() == VENUES_PER_SOCKET {
                return self.socket.close(CloseCode::TooManyVenues);
            }
            self.venues.push(venue);
        }
        let wish = Wish { socket: self.socket.id, id, venue, grant: Grant::default(), since };
        let (app, who, secret) = (self.app.clone(), self.who(venue), request.secret.clone());
        let read = async move {
            let grant = Grant::read(&app, (who, venue), &asked, secret.as_deref()).await;
            Looked::Wish(wish, grant)
        };
        self.lookup = Some(read.boxed_local());
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

    fn who(&self, venue: VenueId) -> Scope {
        let person = self.person.unwrap_or_default();
        Scope::venue(venue, person.user).on(person.device)
    }

    fn start_recheck(&mut self) {
        while self.lookup.is_none()
            && let Some(venue) = self.socket.take_recheck()
        {
            if self.venues.contains(&venue) {
                let (app, who) = (self.app.clone(), self.who(venue));
                let read = async move { Looked::Recheck(venue, app.standing(who, venue).await) };
                self.lookup = Some(read.boxed_local());
            }
        }
    }

    fn looked_up(&mut self, looked: Looked) {
        match looked {
            Looked::Wish(_, Err(DbError::UserGone))
            | Looked::Recheck(_, Err(DbError::UserGone)) => {
                self.socket.close(CloseCode::Forbidden);
            }
            Looked::Wish(wish, Ok(grant)) => self.wish(Wish { grant, ..wish }),
            Looked::Wish(wish, Err(error)) => {
                tracing::warn!(error = %error, "a standing was not read");
                self.venues.retain(|venue| *venue != wish.venue);
                let message = "the standing cannot be read at the moment";
                self.say(&Answer::Err { id: wish.id, code: "unavailable", message, retry: true });
            }
            Looked::Recheck(venue, Ok(standing)) => {
                self.hub.regrant(&self.socket, venue, open_to(standing));
            }
            // While Redis carries, events go on without the database, so a right that may be gone
            // is not kept: another worker can look it up. Otherwise nothing can be heard before
            // the database is back, and then this look-up is repeated.
            Looked::Recheck(_, Err(_)) => {
                if self.app.bus().state() == RedisState::Connected {
                    self.socket.close(CloseCode::DatabaseLost);
                }
            }
        }
    }

    fn wish(&mut self, wish: Wish) {
        if wish.grant.is_empty() {
            self.venues.retain(|venue| *venue != wish.venue);
            return self.refuse(wish.id, "forbidden", "none of these topics is open to you");
        }
        self.hub.subscribe(wish);
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.hub.leave(&self.socket);
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
fn asked(topics: Option<&[String]>) -> Result<Asked, TooMany> {
    let Some(names) = topics else { return Ok(Asked::all()) };
    let mut asked = Asked::default();
    for name in names {
        asked.add(name)?;
    }
    Ok(asked)
}
