//! What a worker keeps of the doors it serves: their rules and keys, by show. Nothing is decided on
//! them alone: whoever judges a scan compares their number with the database under the lock.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use edge::seal::SealKey;
use kernel::ids::{ListId, ShowId, VenueId};
use pg::Reader;

use crate::TicketsError;
use crate::code::{NotACode, Said, Signer, Unverified, seconds};
use crate::model::Ticket;
use crate::rules::Rules;
use crate::store::doors::KeyRow;
use crate::store::rules::find_rules;

/// Shows whose rules a worker keeps. More than that at once and it begins anew.
const SHOWS_MAX: usize = 1_000;

/// The rules and keys of a worker. Clones share them.
#[derive(Clone)]
pub struct Keeper {
    seal: Arc<SealKey>,
    kept: Arc<Mutex<Shelf>>,
}

#[derive(Default)]
struct Shelf {
    shows: HashMap<(VenueId, ShowId), Arc<Kept>>,
    lists: HashMap<(VenueId, ListId), ShowId>,
}

/// The number of a key, its public half, and what opens the names that it has sealed.
pub(crate) type PublicKey = (u8, Vec<u8>, Vec<u8>);

/// The rules and keys of one show, as of `rules.doors.rules`.
pub struct Kept {
    /// Whose.
    pub venue: VenueId,
    /// Its rules.
    pub rules: Rules,
    keys: Vec<KeyRow>,
    signer: OnceLock<Signer>,
}

impl Keeper {
    /// Nothing is kept yet. `seal` opens the private halves.
    #[must_use]
    pub fn new(seal: Arc<SealKey>) -> Self {
        Self { seal, kept: Arc::default() }
    }

    /// What is kept of the show, if it is.
    pub(crate) fn find(&self, venue: VenueId, show: ShowId) -> Option<Arc<Kept>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.shows.get(&(venue, show)).cloned()
    }

    /// What is kept of the show whose list it is.
    pub(crate) fn find_by_list(&self, venue: VenueId, list: ListId) -> Option<Arc<Kept>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let show = kept.lists.get(&(venue, list))?;
        kept.shows.get(&(venue, *show)).cloned()
    }

    /// Keeps what was read, unless something newer is kept.
    pub(crate) fn keep(&self, venue: VenueId, rules: Rules, keys: Vec<KeyRow>) -> Arc<Kept> {
        let (show, number) = (rules.doors.show_id, rules.doors.rules);
        let read = Arc::new(Kept { venue, rules, keys, signer: OnceLock::new() });
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.shows.len() >= SHOWS_MAX && !kept.shows.contains_key(&(venue, show)) {
            *kept = Shelf::default();
        }
        kept.lists.extend(read.rules.lists.iter().map(|list| ((venue, list.id), show)));
        let slot = kept.shows.entry((venue, show)).or_insert_with(|| Arc::clone(&read));
        // A database that was restored counts from lower numbers: what was just read wins then too,
        // only an equal number keeps its signer.
        if slot.rules.doors.rules != number || slot.rules != read.rules || slot.keys != read.keys {
            *slot = read;
        }
        Arc::clone(slot)
    }

    /// The rules and keys of the show as the database has them now.
    ///
    /// # Errors
    /// `NoSuchShow`, or the database's failures.
    pub(crate) async fn read(
        &self,
        q: &mut Reader,
        show: ShowId,
    ) -> Result<Arc<Kept>, TicketsError> {
        let venue = q.venue()?;
        let (rules, keys) = find_rules(q, show).await?.ok_or(TicketsError::NoSuchShow)?;
        Ok(self.keep(venue, rules, keys))
    }

    /// A fresh key for the codes of a show.
    pub(crate) fn make_key(
        &self,
        venue: VenueId,
        show: ShowId,
        kid: u8,
    ) -> Result<KeyRow, Unspecified> {
        let pair = Ed25519KeyPair::generate()?;
        let pkcs8: Pkcs8V1Der<'_> = pair.as_der()?;
        let mut name_key = [0; 32];
        aws_lc_rs::rand::fill(&mut name_key)?;
        Ok(KeyRow {
            kid,
            public_key: pair.public_key().as_ref().to_vec(),
            private_sealed: self.seal.seal(pkcs8.as_ref(), &belongs_to(venue, show, kid, b's'))?,
            name_key_sealed: self.seal.seal(&name_key, &belongs_to(venue, show, kid, b'n'))?,
            state: "active".to_owned(),
        })
    }

    /// What makes codes of that show.
    ///
    /// # Errors
    /// `Crypto` when the seal is not the one that closed its key.
    pub fn signer<'k>(&self, kept: &'k Kept) -> Result<&'k Signer, TicketsError> {
        if let Some(signer) = kept.signer.get() {
            return Ok(signer);
        }
        let active = kept.keys.iter().find(|key| key.state == "active");
        let key = active.ok_or(TicketsError::Crypto)?;
        let (venue, show) = (kept.venue, kept.rules.doors.show_id);
        let pkcs8 = self.seal.open(&key.private_sealed, &belongs_to(venue, show, key.kid, b's'))?;
        let names = self.name_key(kept, key)?;
        let signer = Signer::new(key.kid, &pkcs8, &names)?;
        Ok(kept.signer.get_or_init(|| signer))
    }

    /// The key of names of each key that still counts, for bundles.
    pub(crate) fn public_keys(&self, kept: &Kept) -> Result<Vec<PublicKey>, TicketsError> {
        let counting = kept.keys.iter().filter(|key| key.state != "revoked");
        counting
            .map(|key| Ok((key.kid, key.public_key.clone(), self.name_key(kept, key)?)))
            .collect()
    }

    fn name_key(&self, kept: &Kept, key: &KeyRow) -> Result<Vec<u8>, TicketsError> {
        let (venue, show) = (kept.venue, kept.rules.doors.show_id);
        Ok(self.seal.open(&key.name_key_sealed, &belongs_to(venue, show, key.kid, b'n'))?)
    }

    /// The code of a ticket as it is now. The same ticket may have several that all count.
    ///
    /// # Errors
    /// `Crypto` when the key cannot be used.
    pub fn code_of(&self, kept: &Kept, ticket: &Ticket) -> Result<String, TicketsError> {
        let doors = &kept.rules.doors;
        let kind = kept.rules.of_class(ticket.class);
        let opens = kind.and_then(|kind| kind.valid_from).unwrap_or(doors.opens_at);
        let closes = kind.and_then(|kind| kind.valid_until).unwrap_or(doors.closes_at);
        let said = Said {
            kid: 0,
            venue: kept.venue,
            show: ticket.show_id,
            ticket: ticket.id,
            serial: u32::try_from(ticket.serial).unwrap_or(0),
            not_before: seconds(opens.max(doors.opens_at)),
            not_after: seconds(closes.min(doors.closes_at)),
            class: u8::try_from(ticket.class).unwrap_or(0),
            sealed_name: Vec::new(),
        };
        let name = ticket.name.as_deref().filter(|_| doors.seals_names);
        Ok(self.signer(kept)?.code(said, name)?)
    }
}

impl Kept {
    /// What the code says, if a key of this show that still counts has signed it.
    ///
    /// # Errors
    /// `BadSignature`.
    pub(crate) fn verify(&self, code: Unverified) -> Result<Said, NotACode> {
        let kid = code.claims().kid;
        let key = self.keys.iter().find(|key| key.kid == kid && key.state != "revoked");
        code.verify(&key.ok_or(NotACode::BadSignature)?.public_key)
    }

    /// Whether what that key has signed counts.
    pub(crate) fn counts(&self, kid: u8) -> bool {
        self.keys.iter().any(|key| key.kid == kid && key.state != "revoked")
    }

    /// Whether it has a key of that number: an unknown one may be newer than what is kept.
    pub(crate) fn knows(&self, kid: u8) -> bool {
        self.keys.iter().any(|key| key.kid == kid)
    }
}

/// What a sealed key belongs to: no row can take another's place.
fn belongs_to(venue: VenueId, show: ShowId, kid: u8, part: u8) -> Vec<u8> {
    [b"rowlock-show-key".as_slice(), venue.0.as_bytes(), show.0.as_bytes(), &[kid, part]].concat()
}

#[cfg(test)]
mod tests {
    use kernel::ids::TicketId;
    use uuid::Uuid;

    use super::*;
    use crate::code::{NameKey, parse};
    use crate::model::{MailState, TicketStatus};
    use crate::rules::Doors;

    fn keeper() -> Keeper {
        Keeper::new(Arc::new(SealKey::from_bytes([9; 32])))
    }

    fn rules(number: i64, seals_names: bool) -> Rules {
        let doors = Doors {
            show_id: ShowId(Uuid::from_u128(2)),
            name: "Gala".to_owned(),
            opens_at: "2027-02-01T18:00:00Z".parse().unwrap(),
            closes_at: "2027-02-01T23:00:00Z".parse().unwrap(),
            seals_names,
            lease_secs: 600,
            rules: number,
            version: 1,
        };
        let (types, lists, zones, questions) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Rules { doors, types, lists, zones, questions }
    }

    fn ticket() -> Ticket {
        Ticket {
            id: TicketId(Uuid::from_u128(3)),
            show_id: ShowId(Uuid::from_u128(2)),
            number: "G-1".to_owned(),
            class: 1,
            name: Some("Ana Lopes".to_owned()),
            email: None,
            seat: None,
            status: TicketStatus::Issued,
            serial: 1,
            paid: true,
            blocked: None,
            booking_id: None,
            zone_id: None,
            entries: 0,
            mail_state: MailState::None,
            mail_error: None,
            created_at: Timestamp::UNIX_EPOCH,
            version: 1,
            reissued_at: None,
            revoked_at: None,
            answered: false,
        }
    }

    use jiff::Timestamp;

    #[test]
    fn a_code_of_an_old_key_counts_until_the_key_is_revoked() {
        let (keeper, venue, show) =
            (keeper(), VenueId(Uuid::from_u128(1)), ShowId(Uuid::from_u128(2)));
        let first = keeper.make_key(venue, show, 1).unwrap();
        let kept = keeper.keep(venue, rules(1, true), vec![first.clone()]);
        let old = keeper.code_of(&kept, &ticket()).unwrap();

        let mut retired = KeyRow { state: "retired".to_owned(), ..first };
        let second = keeper.make_key(venue, show, 2).unwrap();
        let kept = keeper.keep(venue, rules(2, true), vec![retired.clone(), second.clone()]);
        let new = keeper.code_of(&kept, &ticket()).unwrap();
        for (code, kid) in [(&old, 1), (&new, 2)] {
            let said = kept.verify(parse(code).unwrap()).unwrap();
            assert_eq!(said.kid, kid);
            let names = keeper.public_keys(&kept).unwrap();
            let (_, _, name_key) = names.iter().find(|(known, ..)| *known == kid).unwrap();
            assert_eq!(NameKey::new(name_key).unwrap().open(&said).unwrap(), "Ana Lopes");
        }

        retired.state = "revoked".to_owned();
        let kept = keeper.keep(venue, rules(3, true), vec![retired, second]);
        assert!(kept.verify(parse(&old).unwrap()).is_err());
        assert!(kept.verify(parse(&new).unwrap()).is_ok());
    }

    #[test]
    fn a_key_is_of_no_use_under_another_seal_or_at_another_show() {
        let (venue, show) = (VenueId(Uuid::from_u128(1)), ShowId(Uuid::from_u128(2)));
        let row = keeper().make_key(venue, show, 1).unwrap();
        let other = Keeper::new(Arc::new(SealKey::from_bytes([8; 32])));
        let kept = other.keep(venue, rules(1, false), vec![row.clone()]);
        assert!(other.signer(&kept).is_err());
        let elsewhere = VenueId(Uuid::from_u128(7));
        let (keeper, rules) = (keeper(), rules(1, false));
        let kept = keeper.keep(elsewhere, rules, vec![row]);
        assert!(keeper.signer(&kept).is_err());
    }
}
