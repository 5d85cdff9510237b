//! What Stripe sends, as far as it is read.

use serde::Deserialize;

use crate::provider::{IntentStatus, Message, Notice, ReturnNotice, ReturnStatus, Returned};

#[derive(Debug, Deserialize)]
pub(super) struct StripeIntent {
    pub(super) id: String,
    pub(super) amount: i64,
    pub(super) amount_received: Option<i64>,
    pub(super) status: String,
    pub(super) client_secret: Option<String>,
    pub(super) last_payment_error: Option<StripeError>,
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Debug, Default, Deserialize)]
struct Metadata {
    venue: Option<String>,
    payment: Option<String>,
    refund: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct StripeRefund {
    id: String,
    status: Option<String>,
    failure_reason: Option<String>,
    #[serde(default)]
    metadata: Metadata,
}

impl StripeRefund {
    /// Pending is not done: a bank may refuse it for days.
    pub(super) fn returned(self) -> Returned {
        let status = match self.status.as_deref() {
            Some("succeeded") => ReturnStatus::Done,
            Some(status @ ("failed" | "canceled")) => {
                let why = self.failure_reason.as_deref().unwrap_or(status);
                ReturnStatus::Failed(format!("the refund {status}: {why}"))
            }
            _ => ReturnStatus::UnderWay,
        };
        Returned { reference: self.id, status }
    }
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Failure {
    #[serde(default)]
    pub(super) error: StripeError,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct StripeError {
    pub(super) code: Option<String>,
    pub(super) message: Option<String>,
}

#[derive(Deserialize)]
struct Event<'a> {
    id: String,
    r#type: String,
    #[serde(borrow)]
    data: EventData<'a>,
}

#[derive(Deserialize)]
struct EventData<'a> {
    #[serde(borrow)]
    object: &'a serde_json::value::RawValue,
}

/// A message whose signature was good; nothing where it cannot be read.
pub(super) fn message(body: &[u8]) -> Option<Message> {
    let event: Event<'_> = serde_json::from_slice(body).ok()?;
    let refunds = ["refund.created", "refund.updated", "refund.failed", "charge.refund.updated"];
    if refunds.contains(&event.r#type.as_str()) && (1..=255).contains(&event.id.len()) {
        return about_refund(event);
    }
    let wanted = [
        "payment_intent.succeeded",
        "payment_intent.canceled",
        "payment_intent.payment_failed",
        "payment_intent.processing",
    ];
    if !wanted.contains(&event.r#type.as_str()) || event.id.is_empty() || event.id.len() > 255 {
        return Some(Message::Other);
    }
    let intent: StripeIntent = serde_json::from_str(event.data.object.get()).ok()?;
    let ours = intent.metadata.venue.as_deref().zip(intent.metadata.payment.as_deref());
    // A charge that somebody made at Stripe without us.
    let Some((venue, payment)) = ours else { return Some(Message::Other) };
    let (Ok(venue), Ok(payment)) = (venue.parse(), payment.parse()) else {
        return Some(Message::Other);
    };
    // The event's own word counts: it is what happened then. The object may be older or newer.
    let status = match event.r#type.as_str() {
        "payment_intent.succeeded" => {
            IntentStatus::Paid(intent.amount_received.unwrap_or(intent.amount))
        }
        "payment_intent.canceled" => IntentStatus::Over,
        // The customer may try another card.
        _ => IntentStatus::Open(intent.last_payment_error.and_then(|error| error.code)),
    };
    let (id, kind, reference) = (event.id, event.r#type, intent.id);
    Some(Message::Notice(Notice { id, kind, venue, payment, reference, status }))
}

/// The object is the refund as it was then: one that had ended is not under way again, whatever
/// comes after.
fn about_refund(event: Event<'_>) -> Option<Message> {
    let refund: StripeRefund = serde_json::from_str(event.data.object.get()).ok()?;
    let ours = refund.metadata.venue.as_deref().zip(refund.metadata.refund.as_deref());
    // A refund that somebody made at Stripe without us.
    let Some((Ok(venue), Ok(id))) = ours.map(|(venue, id)| (venue.parse(), id.parse())) else {
        return Some(Message::Other);
    };
    Some(Message::Returned(ReturnNotice {
        id: event.id,
        kind: event.r#type,
        venue,
        refund: id,
        returned: refund.returned(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = r#"{"id": "evt_1", "type": "TYPE", "data": {"object": {
        "id": "pi_1", "amount": 900, "amount_received": 900, "status": "succeeded",
        "client_secret": "s", "currency": "eur",
        "metadata": {"venue": "0198c0de-0000-7000-8000-000000000001",
                     "payment": "0198c0de-0000-7000-8000-000000000002"}}}}"#;

    fn read(kind: &str, text: &str) -> Option<Message> {
        message(text.replace("TYPE", kind).as_bytes())
    }

    #[test]
    fn what_happened_to_our_charge_is_read() {
        let status = |kind| match read(kind, OURS) {
            Some(Message::Notice(notice)) => Some(notice.status),
            _ => None,
        };
        assert_eq!(status("payment_intent.succeeded"), Some(IntentStatus::Paid(900)));
        assert_eq!(status("payment_intent.canceled"), Some(IntentStatus::Over));
        assert_eq!(status("payment_intent.payment_failed"), Some(IntentStatus::Open(None)));
        assert_eq!(status("charge.refunded"), None);
    }

    #[test]
    fn a_refund_is_done_when_it_says_so_and_not_before() {
        let told = |status: &str| {
            let text = format!(
                r#"{{"id": "evt_1", "type": "refund.updated", "data": {{"object": {{"id": "re_1",
                "status": "{status}", "metadata": {{
                    "venue": "0198c0de-0000-7000-8000-000000000001",
                    "refund": "0198c0de-0000-7000-8000-000000000003"}}}}}}}}"#
            );
            match message(text.as_bytes()) {
                Some(Message::Returned(notice)) => notice.returned.status,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(told("succeeded"), ReturnStatus::Done);
        assert_eq!(told("pending"), ReturnStatus::UnderWay);
        assert_eq!(told("requires_action"), ReturnStatus::UnderWay);
        assert!(matches!(told("failed"), ReturnStatus::Failed(_)));
        assert!(matches!(told("canceled"), ReturnStatus::Failed(_)));
    }

    #[test]
    fn what_is_not_ours_is_taken_and_forgotten() {
        let foreign = OURS.replace("\"venue\"", "\"shop\"");
        assert_eq!(read("payment_intent.succeeded", &foreign), Some(Message::Other));
        assert_eq!(message(b"not json"), None);
    }
}
