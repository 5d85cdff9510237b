//! Change or delete a question.

use actix_web::{delete, put, web};
use edge::{
    Actor, Answer, App, Body, Done, Gone, IfMatch, OnceIfGiven, Path, Rejection, WriteRefusals, can,
};
use kernel::ids::{QuestionId, VenueId};
use pg::Tx;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::TicketsError;
use crate::change_rule::{check_seen, delete_rule, lock_rule, told};
use crate::create_question::{CreateQuestion, check_known};
use crate::rules::Question;
use crate::store::rule_changes::{self, Rule};

/// `/venues/{venue}/questions/{question}`.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct QuestionPath {
    /// The venue.
    pub venue: VenueId,
    /// The question.
    pub question: QuestionId,
}

/// Change a question
///
/// Say all of it anew: what is left out takes its default. Give the version that was seen in
/// `If-Match`; a stale one is 412 with the present state.
#[utoipa::path(
    operation_id = "changeDoorQuestion", tag = "tickets", params(QuestionPath), request_body = CreateQuestion,
    security(("bearer" = [])), responses((status = 200, body = Question), WriteRefusals)
)]
#[put("/api/v1/venues/{venue}/questions/{question}")]
pub(crate) async fn put_question(
    actor: Actor<can::ManageDoors>,
    once: OnceIfGiven,
    seen: IfMatch,
    at: Path<QuestionPath>,
    cmd: Body<CreateQuestion>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let id = at.question;
    app.write(&actor, once.of(&cmd), async move |tx| {
        change_question(tx, id, seen.0, &cmd).await.map(Done)
    })
    .await
}

async fn change_question(
    tx: &mut Tx,
    id: QuestionId,
    seen: Option<i64>,
    cmd: &CreateQuestion,
) -> Result<Question, TicketsError> {
    let known = lock_rule(tx, Rule::Question(id)).await?;
    let old = known.question(id).ok_or(TicketsError::NoSuch("question"))?;
    check_seen(old, seen)?;
    check_known(&known, cmd)?;
    let new = Question {
        text: cmd.text.trim().to_owned(),
        choices: cmd.choices.clone(),
        class: cmd.class,
        list_id: cmd.list_id,
        each_entry: cmd.each_entry.unwrap_or(false),
        position: cmd.position.unwrap_or(old.position),
        version: old.version + 1,
        ..old.clone()
    };
    rule_changes::save_question(tx, &new)?;
    told(tx, &known)?;
    Ok(new)
}

/// Delete a question
///
/// Answers that were given stay with their scans.
#[utoipa::path(
    operation_id = "deleteDoorQuestion", tag = "tickets", params(QuestionPath), security(("bearer" = [])),
    responses((status = 204, description = "It is gone"), WriteRefusals)
)]
#[delete("/api/v1/venues/{venue}/questions/{question}")]
pub(crate) async fn delete_question(
    actor: Actor<can::ManageDoors>,
    once: OnceIfGiven,
    seen: IfMatch,
    at: Path<QuestionPath>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let id = at.question;
    app.write(&actor, once.alone(), async move |tx| {
        delete_rule(tx, Rule::Question(id), |known| {
            let old = known.question(id).ok_or(TicketsError::NoSuch("question"))?;
            check_seen(old, seen.0)
        })
        .await
        .map(|()| Gone)
    })
    .await
}
