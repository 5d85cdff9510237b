//! This slice's part of a venue's snapshot, for clients that begin to listen.

use kernel::event::{Topic, TopicMask};
use pg::{DbError, Reader};
use serde::Serialize;
use utoipa::ToSchema;

use crate::model::{Guest, Level, Section, Table};
use crate::reservation::Reservation;
use crate::settings::FloorSettings;
use crate::store::floor;

/// Levels, sections, tables, parties that are here and reservations that are awaited, as far as the topics
/// were asked for and granted.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FloorSnapshot {
    /// Topic `floor`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub floor_settings: Option<FloorSettings>,
    /// Topic `floor`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub levels: Option<Vec<Level>>,
    /// Topic `floor`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub sections: Option<Vec<Section>>,
    /// Topic `floor`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub tables: Option<Vec<Table>>,
    /// Topic `guests`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub guests: Option<Vec<Guest>>,
    /// Topic `guests`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub reservations: Option<Vec<Reservation>>,
}

/// Reads the parts of `topics` on the reader's snapshot.
///
/// # Errors
/// When PostgreSQL is away or busy.
pub async fn snapshot(q: &mut Reader, topics: TopicMask) -> Result<FloorSnapshot, DbError> {
    let (floor, guests) = (topics.has(Topic::Floor), topics.has(Topic::Guests));
    if !floor && !guests {
        return Ok(FloorSnapshot::default());
    }
    let found = floor::find_floor(q).await?;
    let parties = found.guests.into_iter().map(|party| party.guest).collect();
    Ok(FloorSnapshot {
        floor_settings: floor.then_some(found.settings),
        levels: floor.then_some(found.levels),
        sections: floor.then_some(found.sections),
        tables: floor.then_some(found.tables),
        guests: guests.then_some(parties),
        reservations: guests.then_some(found.reservations),
    })
}
