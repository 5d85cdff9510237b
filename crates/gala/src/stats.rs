//! Figures: how full it is and was, which tables are liked, what the kitchen has to know.

use std::collections::BTreeMap;

use actix_web::{get, web};
use booking::reads::ShowPath;
use booking::tables::ChairOwner;
use edge::{Actor, App, Path, ReadRefusals, Rejection, can};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use crate::GalaError;
use crate::roster::Roster;
use crate::store::moves;

/// Hours that are told: the last week.
const HOURS_MAX: i64 = 7 * 24;
/// Words about food that are counted.
const WORDS_MAX: usize = 100;

/// How many sat at the end of an hour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SeatedThen {
    /// The hour.
    #[serde(with = "kernel::time::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub hour: Timestamp,
    /// Guests seated at its end.
    pub seated: i64,
}

/// How much a table is liked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LikedTable {
    /// The table.
    pub table: String,
    /// Guests who chose it themselves.
    pub chosen: i64,
    /// Guests who left it themselves.
    pub left: i64,
    /// When somebody chose it first.
    #[serde(with = "kernel::time::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub first_at: Timestamp,
}

/// How often something was wished.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct WishCount {
    /// The word, in small letters.
    pub word: String,
    /// Guests who said it.
    pub guests: usize,
}

/// Figures of a gala.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct GalaStats {
    /// Guests with tickets that count.
    pub guests: usize,
    /// Of them, those who sit somewhere.
    pub seated: usize,
    /// Chairs at all tables.
    pub chairs: usize,
    /// Chairs that nobody has.
    pub free: usize,
    /// Chairs that the house keeps.
    pub kept: usize,
    /// Hour by hour, oldest first: the last week at most.
    pub occupancy: Vec<SeatedThen>,
    /// The tables that guests chose, most liked first.
    pub tables: Vec<LikedTable>,
    /// What guests eat and do not eat, most frequent first.
    pub dietary: Vec<WishCount>,
    /// Guests who need a chair that a wheelchair reaches.
    pub accessible: usize,
    /// Children who come along.
    pub children: i32,
    /// Parties that want to sit with another one.
    pub with_others: usize,
}

/// Get a gala's figures
///
/// How many sit and sat, which tables are chosen most, and what was wished.
#[utoipa::path(
    operation_id = "getGalaStats", tag = "gala", params(ShowPath),
    security(("bearer" = [])), responses((status = 200, body = GalaStats), ReadRefusals)
)]
#[get("/api/v1/venues/{venue}/shows/{show}/gala/stats")]
pub(crate) async fn get_stats(
    actor: Actor<can::ReadGala>,
    at: Path<ShowPath>,
    app: web::Data<App>,
) -> Result<web::Json<GalaStats>, Rejection> {
    let offset = app.clock().offset_micros();
    let stats = app
        .read(&actor, async |q| {
            let roster = Roster::read(q, at.show, offset).await?;
            let hours = moves::seated_by_hour(q, at.show, HOURS_MAX).await?;
            let chosen = moves::chosen_tables(q, at.show).await?;
            let left: BTreeMap<String, i64> =
                moves::left_tables(q, at.show).await?.into_iter().collect();
            let tables = chosen.into_iter().map(|(table, chosen, first_at)| {
                let left = left.get(&table).copied().unwrap_or(0);
                LikedTable { table, chosen, left, first_at }
            });
            Ok::<_, GalaError>(stats(&roster, &hours, tables.collect()))
        })
        .await?;
    Ok(web::Json(stats))
}

fn stats(roster: &Roster, hours: &[(Timestamp, i64)], tables: Vec<LikedTable>) -> GalaStats {
    let guests = || roster.entries.iter().map(|entry| &entry.guest);
    let chairs = |owner: ChairOwner| {
        roster.tables.chairs.iter().filter(|chair| chair.owner == owner).count()
    };
    let seated = guests().filter(|guest| guest.table.is_some() && !guest.by_booking).count();
    let mut words: BTreeMap<String, usize> = BTreeMap::new();
    for word in guests().flat_map(|guest| &guest.preferences.dietary) {
        *words.entry(word.to_lowercase()).or_default() += 1;
    }
    let mut dietary: Vec<WishCount> =
        words.into_iter().map(|(word, guests)| WishCount { word, guests }).collect();
    dietary.sort_by_key(|wish| std::cmp::Reverse(wish.guests));
    dietary.truncate(WORDS_MAX);
    let mut with: Vec<&String> =
        guests().filter(|guest| guest.with.is_some()).filter_map(|g| g.party.as_ref()).collect();
    with.sort_unstable();
    with.dedup();
    GalaStats {
        guests: guests().filter(|guest| !guest.revoked).count(),
        seated: guests().filter(|guest| guest.table.is_some()).count(),
        chairs: roster.tables.chairs.len(),
        free: chairs(ChairOwner::Free),
        kept: chairs(ChairOwner::Kept),
        occupancy: occupancy(i64::try_from(seated).unwrap_or(0), hours),
        tables,
        dietary,
        accessible: guests().filter(|guest| guest.preferences.accessible).count(),
        children: guests().map(|guest| guest.preferences.children).sum(),
        with_others: with.len(),
    }
}

/// Back from now: what sat at the end of each hour in which somebody moved.
fn occupancy(seated_now: i64, newest_first: &[(Timestamp, i64)]) -> Vec<SeatedThen> {
    let (mut seated, mut hours) = (seated_now, Vec::with_capacity(newest_first.len()));
    for (hour, change) in newest_first {
        hours.push(SeatedThen { hour: *hour, seated });
        seated -= change;
    }
    // What sat before the oldest of them, where some did.
    if let Some((oldest, _)) = newest_first.last().filter(|_| seated > 0) {
        hours.push(SeatedThen { hour: *oldest - SignedDuration::from_hours(1), seated });
    }
    hours.reverse();
    hours
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_past_is_counted_back_from_now() {
        let hour = |n: i64| Timestamp::UNIX_EPOCH + SignedDuration::from_hours(n);
        let then = occupancy(7, &[(hour(5), 2), (hour(3), -1), (hour(2), 4)]);
        let told: Vec<_> = then.iter().map(|one| (one.hour, one.seated)).collect();
        assert_eq!(told, [(hour(1), 2), (hour(2), 6), (hour(3), 5), (hour(5), 7)]);
        assert!(occupancy(0, &[]).is_empty());
    }
}
