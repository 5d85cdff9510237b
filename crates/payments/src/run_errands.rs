//! The job that asks card providers what is still to be asked: charges nobody told us about, charges
//! that took too long, money that goes back. Any worker runs it; a lease keeps two from the same.

use std::cell::RefCell;
use std::sync::LazyLock;
use std::time::Duration;

use edge::App;
use edge::limits::CARD_PENDING_MAX_SECS;
use jiff::SignedDuration;
use kernel::ids::RefundId;
use kernel::scope::Scope;
use tokio::sync::Notify;

use crate::PaymentError;
use crate::cards::charge;
use crate::learn::{Learnt, learn};
use crate::learn_refund::learn_return;
use crate::provider::{GiveBack, IntentStatus, Provider, ProviderError, ReturnStatus, Returned};
use crate::store::errands::{self, Errand};
use crate::till::Till;

/// How often each worker looks unless something wakes it.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Errands of one round: with the provider's own deadline they are over within the lease.
const ERRANDS_PER_ROUND_MAX: i64 = 20;
/// How long nobody else runs an errand that somebody has begun.
const LEASE_SECS: i32 = 120;
/// The pause after the first try; it doubles with every further one.
const PAUSE_MIN_SECS: i64 = 5;
const PAUSE_MAX_SECS: i64 = 300;
/// The longest pause between two looks at money that a bank has not taken yet.
const BANK_PAUSE_MAX_SECS: i64 = 3600;

static WAKE: LazyLock<Notify> = LazyLock::new(Notify::new);

/// Something is to be asked at once.
pub(crate) fn wake() {
    WAKE.notify_one();
}

/// One round: waits until it is woken or for a second, and runs what is due.
///
/// # Errors
/// When PostgreSQL is away or busy: the next round does it.
pub async fn run_errands(app: &App, till: &Till) -> Result<(), PaymentError> {
    let _ = tokio::time::timeout(LOOK_EVERY, WAKE.notified()).await;
    let claimed = RefCell::new(Vec::new());
    app.job("claim_errands", Scope::job(), async |tx| {
        let due = errands::claim_due(tx, ERRANDS_PER_ROUND_MAX, LEASE_SECS).await?;
        claimed.replace(due);
        Ok::<_, PaymentError>(())
    })
    .await?;
    for errand in claimed.into_inner() {
        if let Err(error) = run(app, till, &errand).await {
            tracing::warn!(errand = %errand.id, %error, "payments.errand put off");
        }
    }
    Ok(())
}

/// Asks what `errand` is about and takes in the answer.
pub(crate) async fn run(app: &App, till: &Till, errand: &Errand) -> Result<(), PaymentError> {
    let provider = till.provider(&errand.provider)?;
    let outcome = if errand.gives_back {
        give_back(app, till, provider, errand).await?
    } else {
        look(app, till, provider, errand).await?
    };
    match outcome {
        Asked::Settled => Ok(()),
        Asked::NotYet(error) => put_off(app, errand, (PAUSE_MAX_SECS, error)).await,
        Asked::AtTheBank => put_off(app, errand, (BANK_PAUSE_MAX_SECS, None)).await,
    }
}

enum Asked {
    /// It is over.
    Settled,
    /// It is to be asked again.
    NotYet(Option<String>),
    /// The provider has given it to a bank, and that takes its time: a notice is expected.
    AtTheBank,
}

async fn look(
    app: &App,
    till: &Till,
    provider: &dyn Provider,
    errand: &Errand,
) -> Result<Asked, PaymentError> {
    let mut found = charge(app, provider, errand).await;
    let age = app.clock().now().duration_since(errand.created_at).as_secs();
    // A card that nobody has paid with by then: the rest of the bill is free again.
    let give_up = errand.cancel || age >= CARD_PENDING_MAX_SECS;
    if let Ok(intent) = &found
        && matches!(intent.status, IntentStatus::Open(_))
        && give_up
    {
        found = provider.cancel(&intent.step.intent).await;
    }
    let mut errand = errand.clone();
    let learnt = match found {
        Ok(intent) => {
            errand.reference = Some(intent.step.intent);
            Learnt { status: intent.status, reason: None }
        }
        // It never took it.
        Err(ProviderError::Refused(why)) if errand.reference.is_none() => {
            Learnt { status: IntentStatus::Over, reason: Some(why) }
        }
        Err(ProviderError::Refused(why) | ProviderError::Away(why)) => {
            return Ok(Asked::NotYet(Some(why)));
        }
    };
    if let IntentStatus::Open(error) = learnt.status {
        return Ok(Asked::NotYet(error));
    }
    learn(app, till, &errand, learnt).await?;
    Ok(Asked::Settled)
}

async fn give_back(
    app: &App,
    till: &Till,
    provider: &dyn Provider,
    errand: &Errand,
) -> Result<Asked, PaymentError> {
    let refund = RefundId(errand.id);
    let found = if let Some(reference) = &errand.refund_reference {
        provider.look_back(reference).await
    } else {
        let reference = errand.reference.clone().unwrap_or_default();
        let back = GiveBack { venue: errand.venue, refund, reference, sum: errand.sum };
        provider.give_back(back).await
    };
    let returned = match found {
        Ok(returned) => returned,
        // What it has taken on is not over because it does not tell us.
        Err(ProviderError::Refused(why)) if errand.refund_reference.is_none() => {
            let status = ReturnStatus::Failed(why);
            Returned { reference: String::new(), status }
        }
        Err(ProviderError::Refused(why) | ProviderError::Away(why)) => {
            return Ok(Asked::NotYet(Some(why)));
        }
    };
    learn_return(app, till, (errand.venue, refund), &returned).await?;
    Ok(if returned.status == ReturnStatus::UnderWay { Asked::AtTheBank } else { Asked::Settled })
}

async fn put_off(
    app: &App,
    errand: &Errand,
    (pause_max, error): (i64, Option<String>),
) -> Result<(), PaymentError> {
    let doublings = u32::try_from(errand.tries.clamp(1, 12) - 1).unwrap_or(0);
    let pause = (PAUSE_MIN_SECS << doublings).min(pause_max);
    let until = app.clock().now().saturating_add(SignedDuration::from_secs(pause));
    let until = until.unwrap_or_else(|_| app.clock().now());
    app.job("put_off_errand", Scope::venue(errand.venue, None), async |tx| {
        Ok(errands::put_off(tx, errand.id, until, error.clone())?)
    })
    .await
}
