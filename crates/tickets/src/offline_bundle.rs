//! What a scanner takes along to work without a network: keys, rules, and the tickets that changed
//! since it asked last; signed, and good for a few hours.

use actix_web::get;
use actix_web::web;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use edge::limits::BUNDLE_TICKETS_MAX;
use edge::{Actor, App, Path, ReadRefusals, Rejection, can};
use jiff::{SignedDuration, Timestamp};
use kernel::ids::{ShowId, TicketId, VenueId, ZoneId};
use kernel::problem::Problem;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::TicketsError;
use crate::code::{Signer, is_signed};
use crate::keeper::{Keeper, Kept};
use crate::model::TicketStatus;
use crate::reads::{DoorRules, ShowPath};
use crate::rules::Rules;
use crate::store::offline;

/// What a bundle's signature begins with.
pub(crate) const BUNDLE_DOMAIN: &[u8] = b"rowlock-bundle-v1\0";
/// What a lease's signature begins with.
const LEASE_DOMAIN: &[u8] = b"rowlock-lease-v1\0";

/// Since when.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Since {
    /// `next` of the bundle before; everything, unless given.
    #[param(max_length = 80)]
    pub since: Option<String>,
}

/// A key that codes are verified with.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BundleKey {
    /// Its number in the codes.
    pub kid: u8,
    /// Ed25519, base64.
    pub public_key: String,
    /// Opens the names in the codes (ChaCha20-Poly1305), base64; absent where they have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub name_key: Option<String>,
}

/// A ticket as a scanner has to know it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BundleTicket {
    /// Its id.
    pub id: TicketId,
    /// What stands on it.
    pub number: String,
    /// The class of its type.
    pub class: i16,
    /// Where it stands.
    pub status: TicketStatus,
    /// Only a code of this serial counts.
    pub serial: i32,
    /// Whether it is paid; it is, unless told.
    #[serde(skip_serializing_if = "is_true")]
    #[schema(required = false)]
    pub paid: bool,
    /// Whether it is blocked; not, unless told.
    #[serde(skip_serializing_if = "is_false")]
    #[schema(required = false)]
    pub blocked: bool,
    /// How often it let somebody in.
    pub entries: i32,
    /// Where its holder is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub zone_id: Option<ZoneId>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
fn is_true(value: &bool) -> bool {
    *value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
fn is_false(value: &bool) -> bool {
    !*value
}

/// What `payload` of a bundle says.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OfflineBundle {
    /// The venue.
    pub venue_id: VenueId,
    /// When it was made: the server's clock, to set one's own right by.
    #[serde(with = "kernel::time::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub issued_at: Timestamp,
    /// When it must not be used any more.
    #[serde(with = "kernel::time::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
    /// Proves to the server when it was made: send it back with the scans.
    pub lease: String,
    /// What verifies codes, and this bundle.
    pub keys: Vec<BundleKey>,
    /// Doors, types, lists, zones and questions.
    pub rules: DoorRules,
    /// Tickets that are new or changed: replace those of the same id.
    pub tickets: Vec<BundleTicket>,
    /// `since` of the next bundle.
    pub next: String,
    /// Whether more tickets wait: ask for the next one at once.
    pub more: bool,
}

/// A bundle, signed.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SignedBundle {
    /// The key of the show that signed it.
    pub kid: u8,
    /// Ed25519 over `rowlock-bundle-v1`, a zero byte and `payload`, base64.
    pub signature: String,
    /// An `OfflineBundle` as JSON text: its bytes are what is signed.
    pub payload: String,
}

/// When a scanner's bundle was made and how long it may be used, as the server has signed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lease {
    pub(crate) kid: u8,
    pub(crate) show: ShowId,
    pub(crate) scanner: Uuid,
    pub(crate) issued: Timestamp,
    pub(crate) expires: Timestamp,
}

impl Lease {
    fn seal(&self, signer: &Signer) -> Result<String, serde_json::Error> {
        let text = serde_json::to_vec(self)?;
        let signature = URL_SAFE_NO_PAD.encode(signer.sign(LEASE_DOMAIN, &text));
        Ok(format!("{}.{signature}", URL_SAFE_NO_PAD.encode(text)))
    }

    /// The lease in this text, if a key of the show has signed it.
    pub(crate) fn read(text: &str, keys: &[(u8, Vec<u8>)]) -> Option<Self> {
        let (said, signature) = text.split_once('.')?;
        let said = URL_SAFE_NO_PAD.decode(said).ok()?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        let lease: Self = serde_json::from_slice(&said).ok()?;
        let (_, key) = keys.iter().find(|(kid, _)| *kid == lease.kid)?;
        is_signed(key, LEASE_DOMAIN, &said, &signature).then_some(lease)
    }
}

/// Get an offline bundle
///
/// Ask again with `since` while there is a network, and before `expiresAt`. Without a network verify
/// codes with its keys, judge by its rules and tickets, keep every scan, and hand them in with
/// `POST …/scans/batch`. What it cannot know: whom doors let in meanwhile that it cannot see.
#[utoipa::path(
    operation_id = "getOfflineBundle", tag = "tickets", params(ShowPath, Since),
    security(("bearer" = [])), responses((status = 200, body = SignedBundle), ReadRefusals)
)]
#[get("/api/v1/venues/{venue}/shows/{show}/offline-bundle")]
pub(crate) async fn get_offline_bundle(
    actor: Actor<can::ScanTickets>,
    at: Path<ShowPath>,
    since: web::Query<Since>,
    app: web::Data<App>,
    keeper: web::Data<Keeper>,
) -> Result<web::Json<SignedBundle>, Rejection> {
    let since = since.since.as_deref().map_or(Some((0, Uuid::nil())), read_since);
    let since = since.ok_or_else(|| {
        let detail = "Use `next` of the bundle before as it was given, or leave it away.";
        Problem::new(400, "tickets.bad_since", "That is no place to go on from", detail)
    })?;
    let user = actor.user()?;
    let scanner = actor.scope.device.map_or(user.0, |device| device.0);
    let offset = SignedDuration::from_micros(app.clock().offset_micros());
    let found = app.read(&actor, async |q| {
        let kept = keeper.read(q, at.show).await?;
        let mut page = offline::find_changed(q, at.show, since, BUNDLE_TICKETS_MAX.into()).await?;
        // From before the database was restored to an earlier state.
        if since.0 > page.1 {
            let all = (0, Uuid::nil());
            page = offline::find_changed(q, at.show, all, BUNDLE_TICKETS_MAX.into()).await?;
        }
        make(&keeper, &kept, page, scanner, offset)
    });
    Ok(web::Json(found.await?))
}

type Found = (Vec<offline::BundleRow>, i64, Timestamp);

fn make(
    keeper: &Keeper,
    kept: &Kept,
    (rows, horizon, at): Found,
    scanner: Uuid,
    offset: SignedDuration,
) -> Result<SignedBundle, TicketsError> {
    let signer = keeper.signer(kept)?;
    let doors = &kept.rules.doors;
    let issued_at = at + offset;
    let expires_at = issued_at + SignedDuration::from_secs(doors.lease_secs.into());
    let lease = Lease {
        kid: signer.kid(),
        show: doors.show_id,
        scanner,
        issued: issued_at,
        expires: expires_at,
    };
    let keys = keeper.public_keys(kept)?.into_iter().map(|(kid, public_key, name_key)| BundleKey {
        kid,
        public_key: STANDARD.encode(public_key),
        name_key: doors.seals_names.then(|| STANDARD.encode(name_key)),
    });
    let Rules { doors, types, lists, zones, questions } = kept.rules.clone();
    let (next, more) = next(&rows, horizon);
    let bundle = OfflineBundle {
        venue_id: kept.venue,
        issued_at,
        expires_at,
        lease: lease.seal(signer)?,
        keys: keys.collect(),
        rules: DoorRules { doors, types, lists, zones, questions },
        tickets: rows.into_iter().map(ticket).collect(),
        next,
        more,
    };
    let payload = serde_json::to_string(&bundle)?;
    let signature = STANDARD.encode(signer.sign(BUNDLE_DOMAIN, payload.as_bytes()));
    Ok(SignedBundle { kid: signer.kid(), signature, payload })
}

fn ticket(row: offline::BundleRow) -> BundleTicket {
    BundleTicket {
        id: row.id,
        number: row.number,
        class: row.class,
        status: row.status,
        serial: row.serial,
        paid: row.paid,
        blocked: row.blocked,
        entries: row.entries,
        zone_id: row.zone,
    }
}

/// Where the next bundle goes on. Transactions from the horizon on may still be running: whatever
/// they change is told again rather than missed.
fn next(rows: &[offline::BundleRow], horizon: i64) -> (String, bool) {
    let full = rows.len() >= usize::from(BUNDLE_TICKETS_MAX);
    match rows.last().filter(|last| full && last.changed < horizon) {
        Some(last) => (format!("{}.{}", last.changed, last.id), true),
        // The nil id stands before all tickets that the transaction has changed.
        None => (format!("{horizon}.{}", Uuid::nil()), full),
    }
}

fn read_since(text: &str) -> Option<(i64, Uuid)> {
    let (changed, id) = text.split_once('.')?;
    Some((changed.parse().ok()?, id.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(changed: i64) -> offline::BundleRow {
        offline::BundleRow {
            id: TicketId(Uuid::from_u128(9)),
            number: "G-1".to_owned(),
            class: 1,
            status: TicketStatus::Issued,
            serial: 1,
            paid: true,
            blocked: false,
            entries: 0,
            zone: None,
            changed,
        }
    }

    #[test]
    fn a_page_never_goes_beyond_what_was_seen() {
        let (place, more) = next(&[row(5)], 8);
        assert_eq!((read_since(&place), more), (Some((8, Uuid::nil())), false));
        let full: Vec<_> = (0..BUNDLE_TICKETS_MAX).map(|_| row(5)).collect();
        let (place, more) = next(&full, 8);
        assert_eq!((read_since(&place), more), (Some((5, Uuid::from_u128(9))), true));
        assert_eq!(read_since("x.y"), None);
    }
}
