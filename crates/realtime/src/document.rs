//! `openapi/events.json`.

use serde_json::{Value, json};

/// The document.
#[must_use]
pub fn events_document() -> Value {
    json!({})
}
