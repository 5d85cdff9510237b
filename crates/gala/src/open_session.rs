//! A party shows its tickets and gets a session: the right to choose a table for it, and nothing
//! else.

use std::collections::HashSet;

use actix_web::{post, web};
use booking::model::ShowStatus;
use booking::reads::ShowPath;
use booking::tables::{Tables, look_at_tables};
use edge::answer::Versioned;
use edge::body::Errors;
use edge::{
    Actor, Answer, App, Body, ClientAddress, Created, Gone, Input, Path, Rejection, WriteRefusals,
    can,
};
use jiff::{SignedDuration, Timestamp};
use kernel::ids::{PartyId, ShowId, TicketId};
use kernel::problem::Problem;
use pg::Tx;
use serde::{Deserialize, Serialize};
use tickets::holders::{self, Holder};
use utoipa::ToSchema;

use crate::attempt::{self, Tried};
use crate::error::{Fault, PairFault};
use crate::model::{GalaGuest, GuestRow, TicketPair, check_pairs};
use crate::seating::{booked_chair, told};
use crate::store::{galas, guests, parties};
use crate::{GalaError, names, secret};

/// How long a session lasts.
pub(crate) const SESSION_MAX: SignedDuration = SignedDuration::from_hours(2);
/// Sessions of one party: its phones. The oldest end where there are more.
const SESSIONS_PER_PARTY_MAX: i64 = 5;

/// The tickets of a party.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OpenSession {
    /// Number and name of each: 1 to 20.
    #[schema(min_items = 1, max_items = 20)]
    pub tickets: Vec<TicketPair>,
    /// Go on as the party that these guests are seated with; refused as seated already, unless
    /// given.
    #[schema(nullable = false)]
    pub resume: Option<bool>,
}

impl Input for OpenSession {
    fn check(&self, errors: &mut Errors) {
        check_pairs(&self.tickets, errors);
    }
}

/// A party with its guests.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct GalaParty {
    /// For friends who want to sit with them; it opens nothing.
    #[schema(example = "K7MPX2QH")]
    pub code: String,
    /// The code of the party that they want to sit with.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub with: Option<String>,
    /// Who they are, and where.
    pub guests: Vec<GalaGuest>,
}

impl Versioned for GalaParty {}

/// A session of a party.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct GalaSession {
    /// The secret for the header `Guest-Token`. Shown only here.
    pub token: String,
    /// When it ends.
    #[serde(with = "kernel::time::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
    /// Whom it stands for.
    pub party: GalaParty,
}

impl Versioned for GalaSession {}

/// Open a guest session
///
/// All tickets of the party at once, as they are written on them: case, spaces, accents and the
/// order of the names do not matter. If one does not count, `errors` says which and why: `unknown`,
/// `name_differs`, `unnamed`, `revoked`, or `already_seated` with the place. A guest belongs to the
/// party that showed the ticket last. Wrong pairs make
/// the ticket and the address wait longer and longer.
#[utoipa::path(
    operation_id = "openGuestSession", tag = "gala", params(ShowPath), request_body = OpenSession,
    responses((status = 201, body = GalaSession), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/shows/{show}/gala/session")]
pub(crate) async fn post_session(
    actor: Actor<can::ChooseTables>,
    at: Path<ShowPath>,
    from: ClientAddress,
    cmd: Body<OpenSession>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let show = at.show;
    let tried = admit(&app, &actor, (show, from), &cmd.tickets).await?;
    let right = tried.clone();
    let answer = app
        .write(&actor, None, async move |tx| {
            let session = open_session(tx, show, &cmd).await?;
            attempt::welcome(tx, &right)?;
            Ok::<_, GalaError>(Created(session))
        })
        .await;
    settle(&app, &actor, tried, answer).await
}

/// Counts the pairs before anybody looks at them.
pub(crate) async fn admit(
    app: &App,
    actor: &Actor<can::ChooseTables>,
    (show, from): (ShowId, ClientAddress),
    pairs: &[TicketPair],
) -> Result<Tried, Rejection> {
    let pairs = pairs.to_vec();
    let counted = app.part(actor, async move |tx| {
        // Nothing is counted for shows that are not there: the rows would be a stranger's to fill.
        galas::look_at_gala(tx, show).await?.ok_or(GalaError::NoGala)?;
        attempt::admit(tx, show, from, &pairs).await
    });
    counted.await.map(|(tried, _)| tried)
}

/// What was right is forgiven, also where nothing came of it; what was wrong the show remembers.
pub(crate) async fn settle(
    app: &App,
    actor: &Actor<can::ChooseTables>,
    tried: Tried,
    answer: Result<Answer, Rejection>,
) -> Result<Answer, Rejection> {
    let Err(Rejection(problem)) = &answer else { return answer };
    let refused = problem.code == "gala.tickets_refused";
    let wrong = wrong_pairs(problem);
    let noted = app.write(actor, None, async move |tx| {
        if refused {
            attempt::note_failures(tx, &tried, &wrong)?;
        } else {
            attempt::forgive_all(tx, &tried)?;
        }
        Ok::<_, GalaError>(Gone)
    });
    noted.await?;
    answer
}

/// The pairs of which an answer says that they do not count.
fn wrong_pairs(problem: &Problem) -> Vec<usize> {
    let wrong = problem.errors.iter().filter(|error| error.code != "already_seated");
    let at = |pointer: &str| pointer.strip_prefix("/tickets/")?.parse().ok();
    wrong.filter_map(|error| at(&error.pointer)).collect()
}

/// The holder of each pair.
///
/// # Errors
/// `Pairs` with every one that does not count.
pub(crate) async fn compare(
    tx: &mut Tx,
    show: ShowId,
    pairs: &[TicketPair],
    tables: &Tables,
) -> Result<Vec<Holder>, GalaError> {
    let numbers: Vec<String> = pairs.iter().map(|pair| pair.number.clone()).collect();
    let found = holders::find_by_numbers(tx, show, &numbers).await?;
    let (mut whose, mut faults) = (Vec::new(), Vec::new());
    for (at, pair) in pairs.iter().enumerate() {
        match judge(pair, &found, tables) {
            Ok(holder) => whose.push(holder.clone()),
            Err(fault) => faults.push(PairFault { at, fault }),
        }
    }
    if faults.is_empty() { Ok(whose) } else { Err(GalaError::Pairs(faults)) }
}

fn judge<'a>(pair: &TicketPair, found: &'a [Holder], tables: &Tables) -> Result<&'a Holder, Fault> {
    let number = holders::plain_number(&pair.number);
    let mut same = found.iter().filter(|one| holders::plain_number(&one.number) == number);
    let named =
        |one: &&Holder| one.name.as_deref().is_some_and(|name| names::same(name, &pair.name));
    let Some(first) = same.clone().next() else { return Err(Fault::Unknown) };
    let Some(holder) = same.find(named) else {
        return Err(if first.name.is_none() { Fault::Unnamed } else { Fault::NameDiffers });
    };
    if holder.revoked {
        return Err(Fault::Revoked);
    }
    match booked_chair(holder, tables) {
        Some(chair) => Err(Fault::AlreadySeated(chair.to_owned())),
        None => Ok(holder),
    }
}

async fn open_session(
    tx: &mut Tx,
    show: ShowId,
    cmd: &OpenSession,
) -> Result<GalaSession, GalaError> {
    let gala = galas::look_at_gala(tx, show).await?.ok_or(GalaError::NoGala)?;
    let tables = look_at_tables(tx, show).await?.ok_or(GalaError::NoGala)?;
    let resume = cmd.resume.unwrap_or(false);
    if !resume || tables.show.status == ShowStatus::Draft {
        gala.check_open(&tables.show, tx.now())?;
    }
    let holders = compare(tx, show, &cmd.tickets, &tables).await?;
    let tickets: Vec<TicketId> = holders.iter().map(|holder| holder.id).collect();
    let rows = guests::lock_guests(tx, show, &tickets).await?;
    if !resume {
        check_unseated(&rows, &tickets)?;
    }
    let party = party_of(tx, show, &rows).await?;
    let token = secret::fresh()?;
    let expires_at = tx.now() + SESSION_MAX;
    let hash = secret::hash(&token);
    parties::insert_session(tx, party.id, hash, expires_at, SESSIONS_PER_PARTY_MAX)?;
    let mut all = party.rows;
    all.extend(rows);
    let guests = told_party(tx, show, &all, &tables, &party.code).await?;
    Ok(GalaSession {
        token,
        expires_at,
        party: GalaParty { code: party.code, with: party.with, guests },
    })
}

/// Whoever sits somewhere is told where, in the order of the pairs.
fn check_unseated(rows: &[GuestRow], tickets: &[TicketId]) -> Result<(), GalaError> {
    let place = |ticket: &TicketId| {
        rows.iter().find(|row| row.ticket == *ticket).and_then(|row| row.table.clone())
    };
    let seated = tickets.iter().enumerate();
    let faults: Vec<PairFault> = seated
        .filter_map(|(at, ticket)| {
            place(ticket).map(|place| PairFault { at, fault: Fault::AlreadySeated(place) })
        })
        .collect();
    if faults.is_empty() { Ok(()) } else { Err(GalaError::Pairs(faults)) }
}

/// The party that a session is opened for.
struct Party {
    id: PartyId,
    code: String,
    with: Option<String>,
    /// Its guests who did not show their tickets now.
    rows: Vec<GuestRow>,
}

/// The party that the guests are seated with, or the one that they just were, or a new one. All of
/// them belong to it afterwards.
async fn party_of(tx: &mut Tx, show: ShowId, rows: &[GuestRow]) -> Result<Party, GalaError> {
    let seated: HashSet<Option<PartyId>> =
        rows.iter().filter(|row| row.table.is_some()).map(|row| row.party).collect();
    if seated.len() > 1 {
        return Err(GalaError::SeveralParties);
    }
    let resumed = seated.into_iter().next().flatten();
    let all: HashSet<Option<PartyId>> = rows.iter().map(|row| row.party).collect();
    let last =
        all.into_iter().next().flatten().filter(|id| rows.iter().all(|row| row.party == Some(*id)));
    if let Some(id) = resumed.or(last) {
        let here: HashSet<TicketId> = rows.iter().map(|row| row.ticket).collect();
        let mut others = guests::look_at_party(tx, show, id).await?;
        others.retain(|row| !here.contains(&row.ticket));
        // A part of an unseated party that comes by itself is a party of its own.
        if resumed.is_some() || others.is_empty() {
            let found = parties::find(tx, id).await?.ok_or(GalaError::NoSession)?;
            let joining: Vec<TicketId> =
                rows.iter().filter(|row| row.party != Some(id)).map(|row| row.ticket).collect();
            if !joining.is_empty() {
                guests::set_party(tx, show, joining, id)?;
            }
            return Ok(Party { id, code: found.code, with: found.with, rows: others });
        }
    }
    let (id, code) = (PartyId::fresh(tx.now()), secret::code()?);
    parties::insert_party(tx, id, show, &code)?;
    guests::set_party(tx, show, rows.iter().map(|row| row.ticket).collect(), id)?;
    Ok(Party { id, code, with: None, rows: Vec::new() })
}

/// The guests as their party sees them.
async fn told_party(
    tx: &mut Tx,
    show: ShowId,
    rows: &[GuestRow],
    tables: &Tables,
    code: &str,
) -> Result<Vec<GalaGuest>, GalaError> {
    let tickets: Vec<_> = rows.iter().map(|row| row.ticket.0).collect();
    let holders = holders::find_by_ids(tx, show, &tickets).await?;
    Ok(told_guests(&holders, rows, tables)
        .into_iter()
        .map(|guest| GalaGuest { party: Some(code.to_owned()), ..guest })
        .collect())
}

/// Holders, rows and chairs, put together.
pub(crate) fn told_guests(
    holders: &[Holder],
    rows: &[GuestRow],
    tables: &Tables,
) -> Vec<GalaGuest> {
    let row = |holder: &Holder| rows.iter().find(|row| row.ticket == holder.id);
    let label = |row: Option<&GuestRow>| {
        let number = row.and_then(|row| row.chair)?;
        tables.chairs.iter().find(|chair| chair.number == number).map(|chair| chair.label.as_str())
    };
    holders.iter().map(|holder| told(holder, row(holder), label(row(holder)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chairs::tests::ticket;
    use crate::model::Preferences;

    fn holder(n: u128, number: &str, name: Option<&str>) -> Holder {
        Holder {
            id: ticket(n),
            number: number.to_owned(),
            name: name.map(str::to_owned),
            email: None,
            seat: None,
            booking: None,
            revoked: false,
        }
    }

    fn row(n: u128, table: Option<&str>) -> GuestRow {
        GuestRow {
            ticket: ticket(n),
            party: None,
            code: None,
            with: None,
            table: table.map(str::to_owned),
            chair: table.map(|_| 1),
            preferences: Preferences::default(),
        }
    }

    #[test]
    fn whoever_sits_is_told_where_and_which_pair() {
        let rows = [row(1, None), row(2, Some("T5"))];
        let refused = check_unseated(&rows, &[ticket(1), ticket(2)]);
        let Err(GalaError::Pairs(faults)) = refused else { panic!("{refused:?}") };
        assert_eq!(faults, [PairFault { at: 1, fault: Fault::AlreadySeated("T5".into()) }]);
        assert!(check_unseated(&rows[..1], &[ticket(1)]).is_ok());
    }

    #[test]
    fn guests_are_put_together_in_the_order_of_their_tickets() {
        let holders = [holder(1, "G-1", Some("Ana")), holder(2, "G-2", None)];
        let guest = told(&holders[0], Some(&row(1, Some("T5"))), Some("T5-3"));
        assert_eq!((guest.table.as_deref(), guest.chair.as_deref()), (Some("T5"), Some("T5-3")));
        assert_eq!(told(&holders[1], None, None).name, None);
    }
}
