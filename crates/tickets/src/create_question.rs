//! Add a question to a show: what its doors have to ask before they admit.

use actix_web::{post, web};
use edge::body::Errors;
use edge::{
    Actor, Answer, App, Body, Created, Input, OnceIfGiven, Path, Rejection, WriteRefusals, can,
};
use kernel::ids::{ListId, QuestionId, ShowId};
use pg::Tx;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::TicketsError;
use crate::change_rule::told;
use crate::reads::ShowPath;
use crate::rules::{Question, Rules};
use crate::store::{doors, rules};

/// Questions of one show.
pub(crate) const QUESTIONS_MAX: usize = edge::limits::QUESTIONS_PER_SHOW_MAX;
/// Answers to choose from.
const CHOICES_MAX: usize = 20;

/// What the doors have to ask or to do.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateQuestion {
    /// What to ask or to do.
    #[schema(min_length = 1, max_length = 300, example = "Check the ID: is the guest 18?")]
    pub text: String,
    /// The answers there are; it only has to be confirmed, unless given.
    #[serde(default)]
    #[schema(max_items = 20)]
    pub choices: Vec<String>,
    /// Only of this class.
    #[schema(nullable = false)]
    pub class: Option<i16>,
    /// Only on this list.
    #[schema(nullable = false)]
    pub list_id: Option<ListId>,
    /// At every entry; once per ticket, unless given.
    #[schema(nullable = false)]
    pub each_entry: Option<bool>,
    /// Its place among the others; behind them, unless given.
    #[schema(nullable = false)]
    pub position: Option<i32>,
}

impl Input for CreateQuestion {
    fn check(&self, errors: &mut Errors) {
        errors.text(&self.text, "/text", (1, 300));
        let few = self.choices.len() <= CHOICES_MAX;
        errors.require(few, "/choices", "length", "Give 20 choices at most.");
        for (n, choice) in self.choices.iter().enumerate() {
            errors.text(choice, &format!("/choices/{n}"), (1, 60));
        }
    }
}

/// Add a question
///
/// A scan that it concerns is answered `ask`; scan again with the answers.
#[utoipa::path(
    operation_id = "createDoorQuestion", tag = "tickets", params(ShowPath),
    request_body = CreateQuestion, security(("bearer" = [])),
    responses((status = 201, body = Question), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/shows/{show}/questions")]
pub(crate) async fn post_question(
    actor: Actor<can::ManageDoors>,
    once: OnceIfGiven,
    at: Path<ShowPath>,
    cmd: Body<CreateQuestion>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let show = at.show;
    app.write(&actor, once.of(&cmd), async move |tx| {
        create_question(tx, show, &cmd).await.map(Created)
    })
    .await
}

/// A question concerns a type or a list of its own show.
pub(crate) fn check_known(known: &Rules, cmd: &CreateQuestion) -> Result<(), TicketsError> {
    if cmd.class.is_some_and(|class| known.of_class(class).is_none()) {
        return Err(TicketsError::NoSuch("type"));
    }
    if cmd.list_id.is_some_and(|list| known.list(list).is_none()) {
        return Err(TicketsError::NoSuchList);
    }
    Ok(())
}

async fn create_question(
    tx: &mut Tx,
    show: ShowId,
    cmd: &CreateQuestion,
) -> Result<Question, TicketsError> {
    doors::lock_doors(tx, show).await?.ok_or(TicketsError::NoSuchShow)?;
    let (known, _) = rules::rules_of(tx, show).await?.ok_or(TicketsError::NoSuchShow)?;
    check_known(&known, cmd)?;
    if known.questions.len() >= QUESTIONS_MAX {
        return Err(TicketsError::TooMany("questions"));
    }
    let last = known.questions.iter().map(|question| question.position).max().unwrap_or(0);
    let new = Question {
        id: QuestionId::fresh(tx.now()),
        show_id: show,
        class: cmd.class,
        list_id: cmd.list_id,
        text: cmd.text.trim().to_owned(),
        choices: cmd.choices.clone(),
        each_entry: cmd.each_entry.unwrap_or(false),
        position: cmd.position.unwrap_or(last.saturating_add(1)),
        version: 1,
    };
    rules::insert_question(tx, &new)?;
    told(tx, &known)?;
    Ok(new)
}
