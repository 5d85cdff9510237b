//! Which old path is which operation: one table, for the routing and for the document.

use actix_web::http::Method;
use kernel::ids::VenueId;
use serde_json::{Value, json};

use super::{Ask, bodies};

/// What a body and an answer are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About {
    Login,
    Register,
    Me,
    Guests,
    Guest,
    Tables,
    Table,
    Batch,
    Floor,
    Dashboard,
    Socket,
}

/// An old path.
#[derive(Debug)]
pub(super) struct Alias {
    pub(super) method: &'static str,
    /// `{venue}` was called the restaurant's id.
    pub(super) path: &'static str,
    pub(super) name: &'static str,
    /// The operation that takes its place.
    pub(super) operation: &'static str,
    /// Whose permission is needed, where it is another one.
    pub(super) permission_of: Option<&'static str>,
    to: (&'static str, &'static str),
    pub(super) about: About,
}

macro_rules! aliases {
    ($($method:literal $path:literal => $name:literal, $operation:literal $(as $other:literal)?,
        $to:literal $new:literal, $about:ident;)*) => {
        /// All of them.
        pub(super) const ALIASES: &[Alias] = &[$(Alias {
            method: $method,
            path: $path,
            name: $name,
            operation: $operation,
            permission_of: aliases!(@other $($other)?),
            to: ($to, $new),
            about: About::$about,
        },)*];
    };
    (@other) => { None };
    (@other $other:literal) => { Some($other) };
}

aliases! {
    "post" "/auth/login" => "oldLogin", "login",
        "post" "/api/v1/auth/login", Login;
    "post" "/auth/register" => "oldRegister", "register",
        "post" "/api/v1/auth/register", Register;
    "get" "/auth/me" => "oldMe", "getMe",
        "get" "/api/v1/auth/me", Me;
    "get" "/restaurants/{venue}/guests" => "oldListGuests", "getFloor" as "listGuests",
        "get" "/api/v1/venues/{venue}/floor", Guests;
    "post" "/restaurants/{venue}/guests" => "oldReceiveGuest", "receiveGuest",
        "post" "/api/v1/venues/{venue}/guests", Guest;
    "get" "/restaurants/{venue}/guests/{guest}" => "oldGetGuest", "getGuest",
        "get" "/api/v1/venues/{venue}/guests/{guest}", Guest;
    "put" "/restaurants/{venue}/guests/{guest}" => "oldChangeGuest", "changeGuest",
        "patch" "/api/v1/venues/{venue}/guests/{guest}", Guest;
    "delete" "/restaurants/{venue}/guests/{guest}" => "oldDeleteGuest", "deleteGuest",
        "delete" "/api/v1/venues/{venue}/guests/{guest}", Guest;
    "get" "/restaurants/{venue}/tables" => "oldListTables", "getFloor",
        "get" "/api/v1/venues/{venue}/floor", Tables;
    "post" "/restaurants/{venue}/tables" => "oldCreateTable", "createTable",
        "post" "/api/v1/venues/{venue}/tables", Table;
    "get" "/restaurants/{venue}/tables/{table}" => "oldGetTable", "getTable",
        "get" "/api/v1/venues/{venue}/tables/{table}", Table;
    "put" "/restaurants/{venue}/tables/{table}" => "oldChangeTable", "changeTable",
        "patch" "/api/v1/venues/{venue}/tables/{table}", Table;
    "delete" "/restaurants/{venue}/tables/{table}" => "oldDeleteTable", "deleteTable",
        "delete" "/api/v1/venues/{venue}/tables/{table}", Table;
    "post" "/restaurants/{venue}/batch-update" => "oldRunBatch", "runFloorBatch",
        "post" "/api/v1/venues/{venue}/floor/batch", Batch;
    "get" "/restaurants/{venue}/dashboard-data" => "oldGetFloor", "getFloor",
        "get" "/api/v1/venues/{venue}/floor", Floor;
    "get" "/api/v1/dashboard/{venue}" => "oldGetDashboard", "getDashboard",
        "get" "/api/v1/venues/{venue}/dashboard", Dashboard;
    "get" "/realtime" => "oldOpenSocket", "openSocket",
        "get" "/api/v1/realtime", Socket;
}

impl Alias {
    pub(super) fn has_body(&self) -> bool {
        matches!(self.method, "post" | "put")
    }
}

/// A request to an old path.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) alias: &'static Alias,
    /// The ids in the path, in order: the venue, then what it is about.
    ids: Vec<String>,
}

impl Asked {
    /// The request, if it is one to an old path.
    pub(super) fn of(method: &Method, path: &str) -> Option<Self> {
        // Nearly every request is to a path of today.
        if path.starts_with("/api/") && !path.starts_with("/api/v1/dashboard/") {
            return None;
        }
        let same = |alias: &&Alias| alias.method.eq_ignore_ascii_case(method.as_str());
        ALIASES.iter().filter(same).find_map(|alias| {
            let ids = ids(alias.path, path)?;
            Some(Self { alias, ids })
        })
    }

    /// What is asked for, besides the venue.
    pub(super) fn own(&self) -> Option<&str> {
        self.ids.get(1).map(String::as_str)
    }

    /// What the real operation is asked.
    pub(super) fn translate(&self, sent: Option<Value>) -> Ask {
        let body = sent.map(|sent| bodies::translate(self, sent));
        if let Some(operations) = body.as_ref().and_then(|body| body.get("operations"))
            && self.alias.about == About::Table
        {
            // A table that a party is put at: two changes, one transaction.
            let path = format!("/api/v1/venues/{}/floor/batch", self.venue());
            let body = Some(json!({ "operations": operations, "whole": true }));
            return Ask { method: Method::POST, path, body };
        }
        let method = match self.alias.to.0 {
            "post" => Method::POST,
            "patch" => Method::PATCH,
            "delete" => Method::DELETE,
            _ => Method::GET,
        };
        Ask { method, path: self.fill(self.alias.to.1), body }
    }

    fn venue(&self) -> &str {
        self.ids.first().map_or("", String::as_str)
    }

    /// The pattern with the ids in it.
    fn fill(&self, pattern: &str) -> String {
        let mut ids = self.ids.iter();
        let parts = pattern.split('/').map(|part| {
            let filled = part.starts_with('{').then(|| ids.next()).flatten();
            filled.map_or(part, String::as_str)
        });
        parts.collect::<Vec<_>>().join("/")
    }
}

/// The venue in the query of the old socket's address.
pub(super) fn restaurant(query: &str) -> Option<VenueId> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let mut found = pairs.filter(|(name, _)| *name == "restaurant_id");
    found.next().and_then(|(_, id)| id.parse().ok())
}

/// The ids in `path`, if it is one of `pattern`.
fn ids(pattern: &str, path: &str) -> Option<Vec<String>> {
    let path = path.strip_suffix('/').unwrap_or(path);
    let (mut parts, mut ids) = (path.split('/'), Vec::new());
    for wanted in pattern.split('/') {
        let part = parts.next()?;
        if wanted.starts_with('{') {
            let plain = |byte: u8| byte.is_ascii_hexdigit() || byte == b'-';
            if part.is_empty() || !part.bytes().all(plain) {
                return None;
            }
            ids.push(part.to_owned());
        } else if part != wanted {
            return None;
        }
    }
    parts.next().is_none().then_some(ids)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_path_is_known_with_its_ids_and_any_other_is_not() {
        let asked = Asked::of(&Method::PUT, "/restaurants/a1/guests/b-2/").unwrap();
        assert_eq!((asked.alias.operation, asked.own()), ("changeGuest", Some("b-2")));
        let ask = asked.translate(None);
        assert_eq!(ask.path, "/api/v1/venues/a1/guests/b-2");
        assert_eq!(ask.method, Method::PATCH);
        for path in ["/restaurants/a1", "/restaurants/a1/guests/b/seat", "/restaurants/x1/guests"] {
            assert!(Asked::of(&Method::GET, path).is_none(), "{path}");
        }
        assert!(Asked::of(&Method::GET, "/api/v1/dashboard/a1").is_some());
        assert!(Asked::of(&Method::GET, "/api/v1/venues").is_none());
    }
}
