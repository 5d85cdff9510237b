//! The tables of a show, as guests look at them before they choose.

use std::collections::{HashMap, HashSet};

use actix_web::{get, web};
use booking::model::ShowStatus;
use booking::reads::ShowPath;
use booking::tables::{BookedChair, ChairOwner, Tables, find_booked, find_tables};
use edge::{Actor, App, Path, ReadRefusals, Rejection, can};
use kernel::event::Pos;
use kernel::ids::{BookingId, ShowId};
use pg::Reader;
use serde::Serialize;
use tickets::holders;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::GalaError;
use crate::chairs::{is_open_for, table_states};
use crate::model::{Gala, GalaTable, GuestRow};
use crate::store::{galas, guests, tables};
use crate::token::GuestToken;

/// The tables of a show as of a position.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct GalaTables {
    /// The show.
    pub show_id: ShowId,
    /// Listen to `seats` from here on and nothing is missed.
    #[schema(example = "1042-m3k9x0f2")]
    pub pos: String,
    /// In the order of the plan.
    pub tables: Vec<GalaTable>,
}

/// List the tables
///
/// With their free chairs, and with the names of who sits there if the show tells them. With a
/// guest token each says whether the party `fits` and may choose it.
#[utoipa::path(
    operation_id = "listGalaTables", tag = "gala",
    params(ShowPath,
        ("Guest-Token" = Option<String>, Header, description = "The token of the guest session")),
    responses((status = 200, body = GalaTables), ReadRefusals)
)]
#[get("/api/v1/venues/{venue}/shows/{show}/gala/tables")]
pub(crate) async fn list_tables(
    actor: Actor<can::ChooseTables>,
    token: Option<GuestToken>,
    at: Path<ShowPath>,
    app: web::Data<App>,
) -> Result<web::Json<GalaTables>, Rejection> {
    let (hash, offset) = (token.map(|token| token.hash()), app.clock().offset_micros());
    let staff = actor.standing.is_staff();
    let found = app
        .read(&actor, async |q| {
            let venue = q.venue()?;
            let [head] = q.pipeline([pg::log::head_query(&[&venue])]).await?;
            let pos = head.first().map(pg::log::head_pos).transpose()?;
            let (gala, found) = find_gala(q, at.show, offset).await?;
            if found.show.status == ShowStatus::Draft && !staff {
                return Err(GalaError::NoGala);
            }
            let party = match &hash {
                Some(hash) => {
                    let rows = guests::find_guests_of_token(q, at.show, hash, offset).await?;
                    if rows.is_empty() {
                        return Err(GalaError::NoSession);
                    }
                    rows
                }
                None => Vec::new(),
            };
            let mut states = table_states(&found, &tables::list_notes(q, at.show).await?);
            if !party.is_empty() {
                for table in &mut states {
                    table.fits = Some(fits(table, &party));
                }
            }
            if gala.names_shown {
                add_names(q, &found, &mut states).await?;
            }
            let pos = pos.unwrap_or(Pos { seq: 0, at_micros: 0 }).to_string();
            Ok(GalaTables { show_id: at.show, pos, tables: states })
        })
        .await?;
    Ok(web::Json(found))
}

/// The settings and all tables of a show that has a gala.
pub(crate) async fn find_gala(
    q: &mut Reader,
    show: ShowId,
    offset_micros: i64,
) -> Result<(Gala, Tables), GalaError> {
    let gala = galas::find_gala(q, show).await?.ok_or(GalaError::NoGala)?;
    let tables = find_tables(q, show, offset_micros).await?.ok_or(GalaError::NoGala)?;
    Ok((gala, tables))
}

/// Whether the party can choose the table: its own chairs there are free for it.
fn fits(table: &GalaTable, party: &[GuestRow]) -> bool {
    let there = party.iter().filter(|row| row.table.as_ref() == Some(&table.name)).count();
    there == party.len() || is_open_for(table, party.len() - there)
}

/// Names of guests, and of those whose booking gave them their chair: as their tickets say, and
/// where it came without, once whose booking it is.
async fn add_names(
    q: &mut Reader,
    found: &Tables,
    states: &mut [GalaTable],
) -> Result<(), GalaError> {
    let show = found.show.id;
    let seated = found.chairs.iter().filter_map(|chair| match chair.owner {
        ChairOwner::Guest(guest) => Some((guest, chair.table.as_str())),
        _ => None,
    });
    let at: HashMap<Uuid, &str> = seated.collect();
    let ids: Vec<Uuid> = at.keys().copied().collect();
    let mut names: HashMap<&str, Vec<String>> = HashMap::new();
    for holder in holders::list_by_ids(q, show, &ids).await? {
        if let (Some(table), Some(name)) = (at.get(&holder.id.0), holder.name) {
            names.entry(table).or_default().push(name);
        }
    }
    let mut booked: HashMap<String, BookedChair> = HashMap::new();
    for chair in find_booked(q, show).await? {
        booked.insert(chair.label.clone(), chair);
    }
    let labels: Vec<&str> = booked.keys().map(String::as_str).collect();
    let mut named: HashMap<String, Option<String>> = HashMap::new();
    for holder in holders::list_by_seats(q, show, &labels).await? {
        if let Some(seat) = holder.seat {
            named.insert(seat, holder.name);
        }
    }
    let mut told: HashSet<(&str, BookingId)> = HashSet::new();
    for chair in &found.chairs {
        let Some(by) = booked.get(&chair.label) else { continue };
        let name = match named.remove(&chair.label) {
            Some(name) => name,
            None => Some(by.customer.clone()).filter(|_| told.insert((&chair.table, by.booking))),
        };
        names.entry(&chair.table).or_default().extend(name);
    }
    for state in states {
        state.names = Some(names.remove(state.name.as_str()).unwrap_or_default());
    }
    Ok(())
}
