//! Let somebody in against the rules: a supervisor, with a reason, written into the audit log.

use actix_web::{HttpRequest, post, web};
use edge::body::Errors;
use edge::{Actor, Answer, App, Body, Input, Path, Rejection, WriteRefusals, can};
use kernel::ids::{ListId, TicketId};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::TicketsError;
use crate::keeper::Keeper;
use crate::model::Kind;
use crate::present::{Presented, read_code, rules_of_list};
use crate::reads::VenuePath;
use crate::scan::ScanAnswer;
use crate::scan_ticket::{Asked, judged, who};

/// Whom to let in, and why.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ForceScan {
    /// A fresh UUID, the same one when it is repeated after a lost answer.
    pub nonce: Uuid,
    /// What the QR code says.
    #[schema(nullable = false, max_length = 1000)]
    pub code: Option<String>,
    /// The ticket: instead of the code.
    #[schema(nullable = false)]
    pub ticket: Option<TicketId>,
    /// The list.
    pub list: ListId,
    /// Where.
    #[schema(nullable = false, min_length = 1, max_length = 60)]
    pub gate: Option<String>,
    /// Why, for the audit log.
    #[schema(min_length = 3, max_length = 300, example = "Lost the way back from the terrace")]
    pub reason: String,
}

impl Input for ForceScan {
    fn check(&self, errors: &mut Errors) {
        let one = self.code.is_some() != self.ticket.is_some();
        errors.require(one, "", "either", "Give the code or the ticket.");
        errors.text(&self.reason, "/reason", (3, 300));
        if let Some(gate) = &self.gate {
            errors.text(gate, "/gate", (1, 60));
        }
        let long = self.code.as_ref().is_some_and(|code| code.len() > 1000);
        errors.require(!long, "/code", "length", "Give 1000 characters at most.");
    }
}

/// Let somebody in against the rules
///
/// Overrules times, lists, payment, re-entry, capacity and questions; not a ticket that was revoked
/// or issued anew, nor a code that is not ours.
#[utoipa::path(
    operation_id = "forceScan", tag = "tickets", params(VenuePath), request_body = ForceScan,
    security(("bearer" = [])), responses((status = 200, body = ScanAnswer), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/scans/force")]
pub(crate) async fn post_force_scan(
    actor: Actor<can::SuperviseDoors>,
    at: Path<VenuePath>,
    request: HttpRequest,
    cmd: Body<ForceScan>,
    app: web::Data<App>,
    keeper: web::Data<Keeper>,
) -> Result<Answer, Rejection> {
    let cmd = cmd.into_inner();
    let refused = |error: TicketsError| Rejection::of(&error);
    let scope = actor.scope;
    let kept = rules_of_list(&app, &keeper, scope, at.venue, cmd.list).await.map_err(refused)?;
    let presented = match (&cmd.code, cmd.ticket) {
        (Some(code), _) => read_code(&app, &keeper, scope, &kept, code).await.map_err(refused)?,
        (None, ticket) => Presented::ByHand(ticket.unwrap_or(TicketId(Uuid::nil()))),
    };
    let asked = Asked {
        nonce: cmd.nonce,
        presented,
        list: cmd.list,
        kind: Kind::Entry,
        gate: cmd.gate.map(|gate| gate.trim().to_owned()),
        device_at: None,
        answers: Vec::new(),
        who: who(&actor, &request)?,
        forced: Some(cmd.reason.trim().to_owned()),
    };
    judged(&app, &actor, &keeper, kept, asked).await
}
