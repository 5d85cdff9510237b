//! What the guests of a party would like, and whom they want to sit with.

use actix_web::{put, web};
use booking::reads::ShowPath;
use booking::tables::look_at_tables;
use edge::body::Errors;
use edge::limits::GUESTS_PER_PARTY_MAX;
use edge::{
    Actor, Answer, App, Body, Done, Input, OnceIfGiven, Path, Rejection, WriteRefusals, can,
};
use kernel::ids::{ShowId, TicketId};
use pg::Tx;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::model::Preferences;
use crate::open_session::{GalaParty, told_guests};
use crate::seating::holders_of;
use crate::store::{galas, guests, parties};
use crate::token::{GuestToken, own_key};
use crate::{GalaError, event, secret};

/// What one guest would like.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GuestPreferences {
    /// Who, of this party.
    pub guest: TicketId,
    /// What they would like.
    pub preferences: Preferences,
}

/// What a party would like.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetPreferences {
    /// Guest by guest; who is left out keeps what they had.
    #[schema(max_items = 20)]
    pub guests: Vec<GuestPreferences>,
    /// The code of the party to sit with; nobody, unless given.
    #[schema(nullable = false, max_length = 40, example = "K7MPX2QH")]
    pub with: Option<String>,
}

impl Input for SetPreferences {
    fn check(&self, errors: &mut Errors) {
        let few = self.guests.len() <= GUESTS_PER_PARTY_MAX;
        errors.require(few, "/guests", "length", "Give at most 20 guests.");
        for (n, guest) in self.guests.iter().enumerate() {
            guest.preferences.check(&format!("/guests/{n}/preferences"), errors);
        }
        if let Some(code) = &self.with {
            errors.text(code, "/with", (1, 40));
        }
    }
}

/// Set preferences
///
/// Of each guest, and the party that they want to sit with, by its code. The house sees them; other
/// guests do not.
#[utoipa::path(
    operation_id = "setPreferences", tag = "gala", params(ShowPath, GuestToken),
    request_body = SetPreferences, responses((status = 200, body = GalaParty), WriteRefusals)
)]
#[put("/api/v1/venues/{venue}/shows/{show}/gala/preferences")]
pub(crate) async fn put_preferences(
    actor: Actor<can::ChooseTables>,
    token: GuestToken,
    once: OnceIfGiven,
    at: Path<ShowPath>,
    cmd: Body<SetPreferences>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let (show, hash) = (at.show, token.hash());
    let key = own_key(once.of(&cmd), &hash);
    app.write(&actor, key, async move |tx| set_preferences(tx, show, &hash, &cmd).await.map(Done))
        .await
}

async fn set_preferences(
    tx: &mut Tx,
    show: ShowId,
    token_hash: &[u8],
    cmd: &SetPreferences,
) -> Result<GalaParty, GalaError> {
    let mut rows = guests::lock_guests_of_token(tx, show, token_hash).await?;
    let party = rows.first().and_then(|row| row.party.zip(row.code.clone()));
    let (party, code) = party.ok_or(GalaError::NoSession)?;
    let gala = galas::look_at_gala(tx, show).await?.ok_or(GalaError::NoGala)?;
    let tables = look_at_tables(tx, show).await?.ok_or(GalaError::NoGala)?;
    gala.check_open(&tables.show, tx.now())?;
    let with = match &cmd.with {
        Some(typed) => {
            let found = parties::find_by_code(tx, show, &secret::plain_code(typed)).await?;
            let found = found.filter(|other| other.id != party);
            Some(found.ok_or(GalaError::NoSuchParty)?)
        }
        None => None,
    };
    parties::set_with(tx, party, with.as_ref().map(|other| other.id))?;
    let with = with.map(|other| other.code);
    for wish in &cmd.guests {
        let row = rows.iter_mut().find(|row| row.ticket == wish.guest);
        let row = row.ok_or_else(|| GalaError::NoSuchGuests(vec![wish.guest.to_string()]))?;
        row.preferences = wish.preferences.clone().trimmed();
        guests::set_preferences(tx, show, row.ticket, &row.preferences)?;
    }
    for row in &mut rows {
        row.with.clone_from(&with);
    }
    let tickets: Vec<TicketId> = rows.iter().map(|row| row.ticket).collect();
    let holders = holders_of(tx, show, &tickets).await?;
    let guests = told_guests(&holders, &rows, &tables);
    for guest in &guests {
        tx.emit(event::guest("preferences_set", show, guest)?);
    }
    Ok(GalaParty { code, with, guests })
}
