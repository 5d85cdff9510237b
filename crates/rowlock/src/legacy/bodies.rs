//! What the old app sends, as the real operations take it.
//!
//! It sends whole objects, with names of its own and fields that are not its to set. What it can
//! mean is understood, what it cannot change is left away.

use std::collections::HashMap;

use actix_web::web::Query;
use serde_json::{Map, Value, json};

use super::paths::{About, Asked};

type Object = Map<String, Value>;

/// The body for the real operation.
pub(super) fn translate(asked: &Asked, sent: Value) -> Value {
    let Value::Object(sent) = sent else { return sent };
    let sent = in_camel(sent);
    let new = asked.alias.method == "post";
    match asked.alias.about {
        About::Login => login(&sent),
        About::Register => register(&sent),
        About::Guest => guest(&sent, new),
        About::Table => table_or_both(&sent, asked.own()),
        About::Batch => batch(&sent),
        _ => Value::Object(sent),
    }
}

/// A form as JSON: sign-in pages of the old system send one.
pub(super) fn form(bytes: &[u8]) -> Option<Value> {
    let text = std::str::from_utf8(bytes).ok()?;
    let fields = Query::<HashMap<String, String>>::from_query(text).ok()?.into_inner();
    serde_json::to_value(fields).ok()
}

/// `first_name` as `firstName`: both were understood.
fn in_camel(object: Object) -> Object {
    let camel = |name: String| {
        let mut parts = name.split('_').filter(|part| !part.is_empty());
        let mut out = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let mut letters = part.chars();
            out.extend(letters.next().map(|first| first.to_ascii_uppercase()));
            out.push_str(letters.as_str());
        }
        out
    };
    let whole = object.into_iter().filter(|(_, value)| !value.is_null());
    whole.map(|(name, value)| (camel(name), value)).collect()
}

/// The first of these that was sent.
fn first<'a>(sent: &'a Object, names: &[&str]) -> Option<&'a Value> {
    names.iter().find_map(|name| sent.get(*name))
}

fn word<'a>(sent: &'a Object, names: &[&str]) -> Option<&'a str> {
    first(sent, names).and_then(Value::as_str)
}

/// Copies what the real operation knows by the same or another name.
fn take(sent: &Object, names: &[(&str, &[&str])]) -> Object {
    let found = names.iter().filter_map(|(name, known)| {
        first(sent, known).map(|value| ((*name).to_owned(), value.clone()))
    });
    found.collect()
}

fn login(sent: &Object) -> Value {
    Value::Object(take(sent, &[("email", &["email", "username"]), ("password", &["password"])]))
}

fn register(sent: &Object) -> Value {
    let mut body = take(sent, &[("email", &["email", "username"]), ("password", &["password"])]);
    let name =
        person(sent).or_else(|| word(sent, &["fullName", "restaurantName"]).map(str::to_owned));
    if let Some(name) = name {
        body.insert("name".to_owned(), name.into());
    }
    Value::Object(body)
}

/// A name in one or in two parts.
fn person(sent: &Object) -> Option<String> {
    if let Some(whole) = word(sent, &["guestName", "name"]) {
        return Some(whole.to_owned());
    }
    let parts = [word(sent, &["firstName"]), word(sent, &["lastName"])];
    let parts: Vec<_> = parts.into_iter().flatten().filter(|part| !part.is_empty()).collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}

fn guest(sent: &Object, new: bool) -> Value {
    let mut body = take(
        sent,
        &[
            ("partySize", &["partySize"]),
            ("phone", &["phone", "phoneNumber"]),
            ("email", &["email"]),
            ("notes", &["notes", "specialRequests"]),
            ("flags", &["flags"]),
        ],
    );
    // Empty texts are how the app says that it has none.
    if body.get("email").is_some_and(|email| email == "") && new {
        body.remove("email");
    }
    if let Some(name) = person(sent) {
        body.insert("guestName".to_owned(), name.into());
    }
    if let Some(allergies) = first(sent, &["allergies", "dietaryRestrictions"]) {
        body.insert("allergies".to_owned(), in_words(allergies));
    }
    let status = word(sent, &["status"]).map(guest_status);
    let tables = match first(sent, &["tableIds"]) {
        Some(tables) => Some(tables.clone()),
        None => first(sent, &["tableId", "assignedTableId"]).map(|table| json!([table])),
    };
    let seated = status.as_deref().is_none_or(|status| status == "seated");
    if let Some(tables) = tables.filter(|tables| tables != &json!([]) && (!new || seated)) {
        body.insert("tables".to_owned(), tables);
    }
    if !new {
        body.extend(status.map(|status| ("status".to_owned(), status.into())));
        body.extend(sent.get("version").map(|seen| ("version".to_owned(), seen.clone())));
    }
    Value::Object(body)
}

/// A list of words as one text.
fn in_words(value: &Value) -> Value {
    let Value::Array(words) = value else { return value.clone() };
    words.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ").into()
}

/// `No Show`, `no_show` and `noShow` are one.
fn plain(word: &str) -> String {
    word.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase()
}

fn guest_status(word: &str) -> String {
    let known = match plain(word).as_str() {
        "waitlist" | "waiting" | "arrived" | "runninglate" => "waiting",
        "finished" | "completed" => "completed",
        "cancelled" | "canceled" => "cancelled",
        "noshow" => "no_show",
        "seated" => "seated",
        "notified" => "notified",
        _ => word,
    };
    known.to_owned()
}

fn table(sent: &Object, new: bool) -> Object {
    let mut body = take(
        sent,
        &[
            ("name", &["name", "tableNumber", "number"]),
            ("maxSeats", &["maxSeats", "capacity"]),
            ("x", &["x"]),
            ("y", &["y"]),
            ("width", &["width"]),
            ("height", &["height"]),
            ("rotation", &["rotation"]),
            ("sectionId", &["sectionId"]),
        ],
    );
    if let Some(name) = body.get_mut("name").filter(|name| name.is_number()) {
        *name = name.to_string().into();
    }
    for axis in ["x", "y"] {
        let at = sent.get("position").and_then(|position| position.get(axis));
        if let Some(at) = at {
            body.insert(axis.to_owned(), at.clone());
        } else if new {
            body.entry(axis).or_insert_with(|| 0.into());
        }
    }
    if let Some(shape) = word(sent, &["shape"]) {
        let shape = match plain(shape).as_str() {
            "round" | "oval" | "circle" => "circle",
            "square" | "rectangle" => "rectangle",
            _ => shape,
        };
        body.insert("shape".to_owned(), shape.into());
    }
    if !new {
        let status = word(sent, &["status"]).map(table_status);
        body.extend(status.map(|status| ("status".to_owned(), status.into())));
        body.extend(sent.get("version").map(|seen| ("version".to_owned(), seen.clone())));
    }
    body
}

fn table_status(word: &str) -> &str {
    match plain(word).as_str() {
        "outofservice" => "out_of_service",
        "cleaning" | "needscleaning" | "dirty" => "dirty",
        "available" => "available",
        "occupied" => "occupied",
        "reserved" => "reserved",
        _ => word,
    }
}

/// A table, or the operations that put a party at it: the app knows both ways round.
fn table_or_both(sent: &Object, own: Option<&str>) -> Value {
    let body = Value::Object(table(sent, own.is_none()));
    match (own, sits(sent)) {
        (Some(own), Some(guest)) => json!({"operations": [
            {"op": "change_guest", "id": guest, "body": {"status": "seated", "tables": [own]}},
            {"op": "change_table", "id": own, "body": body},
        ]}),
        _ => body,
    }
}

/// The party that a table is said to have.
fn sits(sent: &Object) -> Option<&Value> {
    let occupied = word(sent, &["status"]).is_none_or(|status| table_status(status) == "occupied");
    first(sent, &["currentGuestId", "guestId"]).filter(|_| occupied)
}

/// Parties and tables, in the order in which they can be: new tables, then the parties that sit
/// down and get up, then what becomes of the tables.
fn batch(sent: &Object) -> Value {
    if sent.contains_key("operations") {
        return Value::Object(sent.clone());
    }
    let objects = |name: &str| -> Vec<Object> {
        let all = sent.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
        all.into_iter().filter_map(|it| it.as_object().cloned().map(in_camel)).collect()
    };
    let (guests, tables) = (objects("guests"), objects("tables"));
    let known = |id: &Value| guests.iter().any(|guest| guest.get("id") == Some(id));
    let (mut made, mut seated, mut changed) = (Vec::new(), Vec::new(), Vec::new());
    for guest in &guests {
        seated.push(match guest.get("id") {
            Some(id) => json!({"op": "change_guest", "id": id, "body": self::guest(guest, false)}),
            None => json!({"op": "receive_guest", "body": self::guest(guest, true)}),
        });
    }
    for table in &tables {
        let Some(id) = table.get("id") else {
            made.push(json!({"op": "create_table", "body": self::table(table, true)}));
            continue;
        };
        if let Some(guest) = sits(table).filter(|guest| !known(guest)) {
            let body = json!({"status": "seated", "tables": [id]});
            seated.push(json!({"op": "change_guest", "id": guest, "body": body}));
        }
        changed.push(json!({"op": "change_table", "id": id, "body": self::table(table, false)}));
    }
    let operations = [made, seated, changed].concat();
    json!({ "operations": operations, "whole": true })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(value: Value) -> Object {
        in_camel(value.as_object().unwrap().clone())
    }

    #[test]
    fn a_whole_party_becomes_what_can_be_changed_of_it() {
        let sent = object(json!({
            "id": "b2", "first_name": "Ana", "last_name": "Lopes", "party_size": 4,
            "status": "Seated", "tableId": "c3", "phone": null, "totalVisits": 7,
            "dietary_restrictions": ["nuts", "fish"],
        }));
        assert_eq!(
            guest(&sent, false),
            json!({"guestName": "Ana Lopes", "partySize": 4, "status": "seated", "tables": ["c3"],
                "allergies": "nuts, fish"})
        );
        let new = object(json!({"guestName": "Ana", "partySize": 2, "status": "Waitlist"}));
        assert_eq!(guest(&new, true), json!({"guestName": "Ana", "partySize": 2}));
    }

    #[test]
    fn a_batch_gets_the_order_in_which_it_can_be_done() {
        let sent = object(json!({
            "tables": [{"id": "c3", "status": "available"}, {"tableNumber": 9, "capacity": 2}],
            "guests": [{"id": "b2", "status": "Finished", "assignedTableId": "c3"}],
        }));
        let operations = batch(&sent)["operations"].clone();
        let names: Vec<_> =
            operations.as_array().unwrap().iter().map(|it| it["op"].as_str().unwrap()).collect();
        assert_eq!(names, ["create_table", "change_guest", "change_table"]);
        assert_eq!(operations[0]["body"]["name"], "9");
    }

    #[test]
    fn a_table_that_names_its_party_seats_it() {
        let sent = object(json!({"status": "occupied", "current_guest_id": "b2"}));
        let both = table_or_both(&sent, Some("c3"));
        assert_eq!(both["operations"][0]["id"], "b2");
        let freed = object(json!({"status": "available", "currentGuestId": "b2"}));
        assert_eq!(table_or_both(&freed, Some("c3")), json!({"status": "available"}));
    }
}
