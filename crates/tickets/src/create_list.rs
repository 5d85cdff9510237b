//! Add a list to a show: what a scanner scans with.

use actix_web::{post, web};
use edge::body::Errors;
use edge::{
    Actor, Answer, App, Body, Created, Input, OnceIfGiven, Path, Rejection, WriteRefusals, can,
};
use jiff::Timestamp;
use kernel::ids::{ListId, ShowId, ZoneId};
use pg::Tx;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::TicketsError;
use crate::change_rule::told;
use crate::create_type::check_order;
use crate::model::Reentry;
use crate::reads::ShowPath;
use crate::rules::{List, Rules};
use crate::store::{doors, rules};

/// Lists of one show.
pub(crate) const LISTS_MAX: usize = edge::limits::LISTS_PER_SHOW_MAX;

/// What a scanner scans with.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateList {
    /// What people read.
    #[schema(min_length = 1, max_length = 120, example = "Main entrance")]
    pub name: String,
    /// The classes that it takes; all, unless given.
    #[serde(default)]
    pub classes: Vec<i16>,
    /// Where an entry leads to.
    #[schema(nullable = false)]
    pub zone_id: Option<ZoneId>,
    /// Not before, where it is narrower than the doors.
    #[serde(default, with = "kernel::time::instant_opt")]
    #[schema(value_type = Option<String>, format = DateTime, nullable = false)]
    pub opens_at: Option<Timestamp>,
    /// Nor from then on.
    #[serde(default, with = "kernel::time::instant_opt")]
    #[schema(value_type = Option<String>, format = DateTime, nullable = false)]
    pub closes_at: Option<Timestamp>,
    /// Whether a ticket lets in more than once; `never`, unless given.
    #[schema(nullable = false)]
    pub reentry: Option<Reentry>,
    /// How often a ticket lets in at all; not counted, unless given.
    #[schema(nullable = false, minimum = 1, maximum = 1000)]
    pub entries_max: Option<i32>,
    /// Whether tickets that are not paid are taken; not, unless given.
    #[schema(nullable = false)]
    pub takes_unpaid: Option<bool>,
}

impl Input for CreateList {
    fn check(&self, errors: &mut Errors) {
        errors.text(&self.name, "/name", (1, 120));
        errors.require(self.classes.len() <= 200, "/classes", "length", "200 classes at most.");
        check_order(self.opens_at, self.closes_at, "/closesAt", errors);
        let counted = self.entries_max.is_none_or(|most| (1..=1000).contains(&most));
        errors.require(counted, "/entriesMax", "range", "Count 1 to 1000 entries.");
    }
}

/// Add a list
#[utoipa::path(
    operation_id = "createDoorList", tag = "tickets", params(ShowPath), request_body = CreateList,
    security(("bearer" = [])), responses((status = 201, body = List), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/shows/{show}/lists")]
pub(crate) async fn post_list(
    actor: Actor<can::ManageDoors>,
    once: OnceIfGiven,
    at: Path<ShowPath>,
    cmd: Body<CreateList>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let show = at.show;
    app.write(&actor, once.of(&cmd), async move |tx| create_list(tx, show, &cmd).await.map(Created))
        .await
}

/// A list takes types and leads to a zone of its own show.
pub(crate) fn check_known(known: &Rules, cmd: &CreateList) -> Result<(), TicketsError> {
    if cmd.classes.iter().any(|class| known.of_class(*class).is_none()) {
        return Err(TicketsError::NoSuch("type"));
    }
    if cmd.zone_id.is_some_and(|zone| known.zone(zone).is_none()) {
        return Err(TicketsError::NoSuch("zone"));
    }
    Ok(())
}

async fn create_list(tx: &mut Tx, show: ShowId, cmd: &CreateList) -> Result<List, TicketsError> {
    doors::lock_doors(tx, show).await?.ok_or(TicketsError::NoSuchShow)?;
    let (known, _) = rules::rules_of(tx, show).await?.ok_or(TicketsError::NoSuchShow)?;
    check_known(&known, cmd)?;
    if known.lists.len() >= LISTS_MAX {
        return Err(TicketsError::TooMany("lists"));
    }
    let new = List {
        id: ListId::fresh(tx.now()),
        show_id: show,
        name: cmd.name.trim().to_owned(),
        classes: cmd.classes.clone(),
        zone_id: cmd.zone_id,
        opens_at: cmd.opens_at,
        closes_at: cmd.closes_at,
        reentry: cmd.reentry.unwrap_or(Reentry::Never),
        entries_max: cmd.entries_max,
        takes_unpaid: cmd.takes_unpaid.unwrap_or(false),
        version: 1,
    };
    rules::insert_list(tx, &new)?;
    told(tx, &known)?;
    Ok(new)
}
