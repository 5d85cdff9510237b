//! `openapi/events.json`: every frame of `rowlock.v1`, in the form of `AsyncAPI` 3.

use kernel::event::Topic;
use serde_json::{Map, Value, json};

use crate::limits::{
    FOLLOWS_PER_VENUE, FRAME_IN_MAX_BYTES, FRAMES_PER_SEC, GREETING_IN_MAX_BYTES, HEARTBEAT_SECS,
    PRESENT_MAX, QUEUE_MAX_BYTES, REPLAY_MAX, VENUES_PER_SOCKET,
};
use crate::protocol::{CloseCode, PROTOCOL};

/// One type of event: its name, who may hear it, what happened.
pub type EventType = (&'static str, Topic, &'static str);

/// The document, with the event types that the slices raise.
#[must_use]
pub fn events_document(events: &[EventType]) -> Value {
    let mut messages = control_messages();
    for event in events {
        messages.insert(event.0.to_owned(), event_message(event));
    }
    let references: Map<String, Value> = messages
        .keys()
        .map(|name| (name.clone(), json!({"$ref": format!("#/components/messages/{name}")})))
        .collect();
    let of = |action: &str| -> Vec<Value> {
        let sent = messages.iter().filter(|(_, message)| message["x-from"] == action);
        sent.map(|(name, _)| json!({"$ref": format!("#/channels/realtime/messages/{name}")}))
            .collect()
    };
    let (from_client, from_server) = (of("client"), of("server"));
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Rowlock events",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What has `type` is an event, what has `op` is control. Unknown fields \
                            are ignored by both sides. Writes go over REST.",
        },
        "channels": {"realtime": {
            "address": "/api/v1/realtime",
            "title": format!("WebSocket, subprotocol {PROTOCOL}, JSON text frames"),
            "messages": references,
        }},
        "operations": {
            "ask": {
                "action": "receive", "channel": {"$ref": "#/channels/realtime"},
                "summary": "What a client sends", "messages": from_client,
            },
            "tell": {
                "action": "send", "channel": {"$ref": "#/channels/realtime"},
                "summary": "What the server sends", "messages": from_server,
            },
        },
        "components": {"messages": messages, "schemas": schemas()},
        "x-close-codes": close_codes(),
        "x-limits": limits(),
    })
}

fn close_codes() -> Vec<Value> {
    let connect_again = |code: u16| matches!(code, 1012 | 4000..4500);
    let codes = CloseCode::ALL.iter().map(|code| {
        json!({"code": code.number(), "reason": code.reason(),
               "connectAgain": connect_again(code.number())})
    });
    codes.collect()
}

fn limits() -> Value {
    json!({
        "frameBytes": FRAME_IN_MAX_BYTES, "frameBytesBeforeAuth": GREETING_IN_MAX_BYTES,
        "framesPerSecond": FRAMES_PER_SEC, "queueBytes": QUEUE_MAX_BYTES,
        "venuesPerSocket": VENUES_PER_SOCKET, "followsPerVenue": FOLLOWS_PER_VENUE, "replayEvents": REPLAY_MAX,
        "heartbeatSeconds": HEARTBEAT_SECS,
    })
}

fn schemas() -> Value {
    json!({
        "VenueId": {"type": "string", "format": "uuid"},
        "Id": {"type": "integer", "description": "Any integer; it comes back with the answer"},
        "Topic": {"anyOf": [
            {"type": "string", "enum": general_topics()},
            {"type": "string", "pattern": private_topics(),
             "description": "One order or booking, for whoever holds its secret: say it as \
                             `secret`. Staff that hears all of them needs none"},
        ]},
        "Pos": {
            "type": "string", "examples": ["1042-m3k9x0f2"],
            "description": "A place in a venue's log. Opaque: keep it and give it back.",
        },
        "Envelope": {
            "type": "object",
            "required": ["type", "venue_id", "seq", "pos", "entity", "entity_id", "version",
                         "action", "timestamp", "data"],
            "properties": {
                "type": {"type": "string"},
                "venue_id": {"$ref": "#/components/schemas/VenueId"},
                "seq": {"type": "integer", "format": "int64",
                        "description": "Dense and in commit order; apply if higher than yours"},
                "pos": {"$ref": "#/components/schemas/Pos"},
                "entity": {"type": "string"},
                "entity_id": {"type": "string", "format": "uuid",
                              "description": "Repeated as `<entity>_id`"},
                "version": {"type": "integer", "format": "int64",
                            "description": "Keep the higher one, entity by entity"},
                "action": {"type": "string"},
                "timestamp": {"type": "string", "format": "date-time",
                              "description": "UTC, six fractional digits; one for all events \
                                              of a write"},
                "data": {"description": "The whole new state, the same JSON that REST gives; \
                                         null with `ref` when it is over 16 KiB"},
                "ref": {"type": "string", "format": "uri-reference"},
            },
        },
    })
}

fn general_topics() -> Vec<&'static str> {
    let general = Topic::ALL.iter().filter(|topic| !topic.is_private());
    general.map(|topic| topic.as_str()).collect()
}

fn private_topics() -> String {
    let private = Topic::ALL.iter().filter_map(|topic| topic.as_str().strip_suffix(".{id}"));
    format!(r"^({})\.[0-9a-f-]{{36}}$", private.collect::<Vec<_>>().join("|"))
}

fn event_message((kind, topic, summary): &EventType) -> Value {
    json!({
        "name": kind, "summary": summary, "x-from": "server", "x-topic": topic,
        "payload": {"allOf": [
            {"$ref": "#/components/schemas/Envelope"},
            {"type": "object", "properties": {"type": {"const": kind}}},
        ]},
    })
}

/// A control message: its fields besides `op`, those that must be there first.
fn control(from: &str, summary: &str, op: &str, (required, optional): (&[&str], &[&str])) -> Value {
    let mut properties = Map::new();
    properties.insert("op".into(), json!({"const": op}));
    for name in required.iter().chain(optional) {
        properties.insert((*name).to_owned(), field(name));
    }
    let required: Vec<&str> = ["op"].iter().chain(required).copied().collect();
    json!({
        "name": op, "summary": summary, "x-from": from,
        "payload": {"type": "object", "required": required, "properties": properties},
    })
}

fn field(name: &str) -> Value {
    let schema = |name: &str| json!({"$ref": format!("#/components/schemas/{name}")});
    match name {
        "id" => schema("Id"),
        "venue" => schema("VenueId"),
        "pos" | "since" => schema("Pos"),
        "topics" => json!({"type": "array", "items": schema("Topic")}),
        "replay" | "exp" | "ping" => json!({"type": "integer", "format": "int64"}),
        "retry" | "available" => json!({"type": "boolean"}),
        "people" => json!({"type": "array", "maxItems": PRESENT_MAX, "items": {
            "type": "object", "required": ["user", "screen"],
            "properties": {"user": field("user"), "screen": field("screen")},
        }}),
        "screen" => json!({"type": "string", "pattern": "^[a-z0-9._-]{1,40}$"}),
        "user" => json!({"type": "string", "format": "uuid"}),
        "reason" => {
            json!({"type": "string", "enum": ["pruned", "diverged", "behind", "forgotten"]})
        }
        _ => json!({"type": "string"}),
    }
}

fn control_messages() -> Map<String, Value> {
    let messages = client_messages().into_iter().chain(server_messages());
    messages.map(|(name, message)| (name.to_owned(), message)).collect()
}

fn client_messages() -> [(&'static str, Value); 5] {
    let client = |summary, op, fields| control("client", summary, op, fields);
    let auth = "The first frame, within 5 s; again to renew on the same socket. Without a token \
                the socket is anonymous: it hears `seats`, and what a secret opens";
    let sub = "Listen to a venue, from now on or from after `since`; a second one replaces the \
               first. Without `topics`: all that are open to you, without orders and bookings one \
               by one";
    let presence = "Staff: on which screen you are, in a venue that you listen to; without \
                    `screen`: nowhere any more. From then on `present` tells who else is where";
    [
        ("presence", client(presence, "presence", (&["venue"], &["id", "screen"]))),
        ("auth", client(auth, "auth", (&[], &["id", "token"]))),
        ("sub", client(sub, "sub", (&["venue"], &["id", "topics", "since", "secret"]))),
        ("unsub", client("Listen to a venue no longer", "unsub", (&["venue"], &["id"]))),
        ("ping", client("For clients that cannot see WebSocket pings", "ping", (&[], &["id"]))),
    ]
}

fn server_messages() -> [(&'static str, Value); 9] {
    let server = |summary, op, fields| control("server", summary, op, fields);
    let welcome = "The socket is signed in until `exp` (seconds since 1970); `ping` is the \
                   heartbeat in seconds";
    let subscribed = "What was granted (no more than was asked for), where the venue is, and how \
                      many events follow from before";
    let subscribed_fields: (&[&str], &[&str]) = (&["id", "venue", "topics", "pos", "replay"], &[]);
    let present = "All staff of the venue that is on a screen, whenever that changes; within 30 s \
                   of a lost connection it is gone. Not `available` without Redis";
    let pos = "Where the venue is: every 25 s, and when events were not for you";
    let topics = "Your role changed: these topics remain";
    let resync = "Continuity cannot be proved: load a snapshot; what follows is after `pos`";
    let err = "A request was refused; `retry` says whether the same one can succeed later";
    [
        ("welcome", server(welcome, "ok", (&["id", "session", "ping"], &["user", "exp"]))),
        ("subscribed", server(subscribed, "ok", subscribed_fields)),
        ("unsubscribed", server("No event of the venue follows", "ok", (&["id", "venue"], &[]))),
        ("pong", server("The answer to a ping", "pong", (&["id"], &[]))),
        ("pos", server(pos, "pos", (&["venue", "pos"], &[]))),
        ("topics", server(topics, "topics", (&["venue", "topics"], &[]))),
        ("resync", server(resync, "resync", (&["venue", "pos", "reason"], &[]))),
        ("present", server(present, "presence", (&["venue", "available", "people"], &[]))),
        ("err", server(err, "err", (&["id", "code", "message", "retry"], &[]))),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reference_leads_somewhere() {
        let event = ("booking_created", Topic::Bookings, "Seats were booked");
        let document = events_document(&[event]);
        let text = document.to_string();
        let references =
            text.split("\"$ref\":\"#").skip(1).filter_map(|rest| rest.split('"').next());
        let mut count = 0;
        for reference in references {
            assert!(document.pointer(reference).is_some(), "{reference}");
            count += 1;
        }
        assert!(count > 30);
        assert_eq!(document["components"]["messages"]["booking_created"]["x-topic"], "bookings");
    }
}
