//! This slice's part of a venue's snapshot, for clients that begin to listen.

use edge::limits::LINE_SHOWN_MAX;
use jiff::Timestamp;
use kernel::event::{Topic, TopicMask};
use kernel::ids::OrderId;
use pg::Reader;
use serde::Serialize;
use utoipa::ToSchema;

use crate::SpaError;
use crate::model::{Order, OrderStatus};
use crate::monitor::{Monitor, monitor};
use crate::queues::LineOrder;
use crate::store::{lines, orders};

/// The lines, the wall and single orders, as far as the topics were asked for and granted.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SpaSnapshot {
    /// Topic `queue.therapist`: who waits, is called, is treated; at most 200 of each.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub therapist_queue: Option<Vec<LineOrder>>,
    /// Topic `queue.cashier`: who waits to pay, and who pays; at most 200 of each.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub cashier_queue: Option<Vec<LineOrder>>,
    /// Topic `monitor`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub monitor: Option<Monitor>,
    /// Topic `order.{id}`: those that are followed, without names and notes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub orders: Vec<Order>,
}

/// Reads the parts of `topics` on the reader's snapshot, and the orders that are followed.
///
/// # Errors
/// When PostgreSQL is away or busy.
pub async fn snapshot(
    q: &mut Reader,
    topics: TopicMask,
    followed: impl IntoIterator<Item = OrderId>,
    now: Timestamp,
) -> Result<SpaSnapshot, SpaError> {
    use OrderStatus::{AwaitingPayment, Finished, InService, PendingTherapist, TherapistConfirmed};
    let mut part = SpaSnapshot::default();
    if topics.has(Topic::TherapistQueue) {
        let of = [TherapistConfirmed, InService, PendingTherapist];
        part.therapist_queue = Some(all(q, &of).await?);
    }
    if topics.has(Topic::CashierQueue) {
        part.cashier_queue = Some(all(q, &[AwaitingPayment, Finished]).await?);
    }
    if topics.has(Topic::Monitor) {
        part.monitor = Some(monitor(q, now).await?);
    }
    for id in followed {
        let found = orders::find_order(q, id).await?;
        let public = |(order, items): (crate::model::OrderRow, Vec<_>)| Order {
            name: None,
            note: None,
            ..order.told(&items)
        };
        part.orders.extend(found.map(public));
    }
    Ok(part)
}

async fn all(q: &mut Reader, statuses: &[OrderStatus]) -> Result<Vec<LineOrder>, SpaError> {
    let mut found = Vec::new();
    for status in statuses {
        found.extend(lines::list_line(q, &[*status], LINE_SHOWN_MAX).await?);
    }
    Ok(found)
}
