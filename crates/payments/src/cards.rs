//! From a payment that is written down to a charge at the provider. No transaction is open here.

use edge::{Answer, App, Rejection};
use kernel::ids::VenueId;
use kernel::scope::{Reach, Scope};
use pg::DbError;
use serde_json::Value;
use uuid::Uuid;

use crate::PaymentError;
use crate::learn::{Learnt, learn};
use crate::model::CardStep;
use crate::provider::{Charge, Intent, IntentStatus, Provider, ProviderError};
use crate::store::errands::{self, Errand};
use crate::till::Till;

/// The answer of a card payment with what the customer's form needs. A repeat of the request gets it
/// again: the provider is asked under the payment's own id, so asking twice is asking once.
pub(crate) async fn with_card_step(
    app: &App,
    till: &Till,
    scope: Scope,
    answer: Answer,
) -> Result<Answer, Rejection> {
    let Some(mut body) = answer.json().filter(|_| answer.status() == 201) else {
        return Ok(answer);
    };
    let id = body.pointer("/payment/id").and_then(Value::as_str).and_then(|id| id.parse().ok());
    let (Some(id), Reach::Venue(venue)) = (id, scope.reach) else { return Ok(answer) };
    let asked = ask(app, till, venue, id).await.map_err(|error| Rejection::of(&error))?;
    if let (Some(step), Some(body)) = (asked, body.as_object_mut()) {
        let step = serde_json::to_value(step).map_err(DbError::Encode)?;
        body.insert("card".to_owned(), step);
    }
    Ok(answer.with_json(&body))
}

async fn ask(
    app: &App,
    till: &Till,
    venue: VenueId,
    payment: Uuid,
) -> Result<Option<CardStep>, PaymentError> {
    let scope = Scope::venue(venue, None);
    let found = app.db().read(scope, async |q| errands::find_errand(q, payment).await).await?;
    // Without one the payment has ended meanwhile: there is nothing to pay any more.
    let Some(errand) = found else { return Ok(None) };
    let provider = till.provider(&errand.provider)?;
    match charge(app, provider, &errand).await {
        Ok(intent) => Ok(Some(intent.step)),
        Err(ProviderError::Away(why)) => {
            tracing::warn!(provider = provider.name(), why, "payments.provider away");
            Err(PaymentError::ProviderAway)
        }
        Err(ProviderError::Refused(why)) => {
            // It never took the charge: nobody can pay it, and the rest of the bill is free again.
            let learnt = Learnt { status: IntentStatus::Over, reason: Some(why.clone()) };
            learn(app, till, &errand, learnt).await?;
            Err(PaymentError::ProviderRefused(why))
        }
    }
}

/// The charge at the provider: made if it is not there, and its name written down.
pub(crate) async fn charge(
    app: &App,
    provider: &dyn Provider,
    errand: &Errand,
) -> Result<Intent, ProviderError> {
    if let Some(reference) = &errand.reference {
        return provider.look(reference).await;
    }
    let wanted = Charge { venue: errand.venue, payment: errand.payment, sum: errand.sum };
    let intent = provider.charge(wanted).await?;
    let (id, reference) = (errand.id, intent.step.intent.clone());
    let named: Result<(), PaymentError> = app
        .job("name_charge", Scope::venue(errand.venue, None), async |tx| {
            Ok(errands::name_charge(tx, id, reference.clone())?)
        })
        .await;
    // Asked again it answers the same: nothing is lost but a round trip.
    if let Err(error) = named {
        tracing::warn!(%error, "payments.charge not named");
    }
    Ok(intent)
}
