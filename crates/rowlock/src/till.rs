//! Who settles bills, and who takes cards for them.

use clap::Args;
use payments::stripe::{Stripe, StripeConfig};
use payments::{Settle, Settlers, Till, provider::Provider};

use crate::config::WrongSetting;

/// How cards are taken. Without a key: cash and vouchers only.
#[derive(Args, Clone)]
#[expect(clippy::struct_field_names, reason = "the fields are named like the environment")]
pub(crate) struct Cards {
    /// `sk_…` of Stripe; without it no cards are taken.
    #[arg(long, env, hide_env_values = true)]
    stripe_secret_key: Option<String>,
    /// `whsec_…` of the webhook that Stripe sends to /api/v1/payments/webhooks/stripe
    #[arg(long, env, hide_env_values = true)]
    stripe_webhook_secret: Option<String>,
    /// `pk_…`: the form in which customers type their card is loaded with it.
    #[arg(long, env)]
    stripe_publishable_key: Option<String>,
    /// Where Stripe is.
    #[arg(long, env, default_value = "https://api.stripe.com")]
    stripe_url: String,
}

impl Cards {
    fn providers(&self) -> Result<Vec<Box<dyn Provider>>, WrongSetting> {
        let set = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let (secret_key, webhook_secret) =
            match (set(&self.stripe_secret_key), set(&self.stripe_webhook_secret)) {
                (None, None) => return Ok(Vec::new()),
                (Some(key), Some(secret)) => (key, secret),
                _ => {
                    return Err(WrongSetting(
                        "STRIPE_SECRET_KEY and STRIPE_WEBHOOK_SECRET go together: without the \
                         second nobody would hear that a card has paid. Set both or none of them."
                            .into(),
                    ));
                }
            };
        let url = self.stripe_url.trim_end_matches('/').to_owned();
        let local = ["http://127.0.0.1:", "http://localhost:", "http://[::1]:"];
        if !url.starts_with("https://") && !local.iter().any(|host| url.starts_with(host)) {
            return Err(WrongSetting("STRIPE_URL is not like https://api.stripe.com".into()));
        }
        let publishable_key = set(&self.stripe_publishable_key);
        let config = StripeConfig { url, secret_key, webhook_secret, publishable_key };
        let stripe = Stripe::new(config).map_err(WrongSetting)?;
        Ok(vec![Box::new(stripe)])
    }

    /// The till of this worker.
    pub(crate) fn till(&self) -> Result<Till, WrongSetting> {
        let till = Till::new(Settlers::new(settlers()), self.providers()?);
        if !till.takes_cards() {
            tracing::info!("STRIPE_SECRET_KEY is not set: cash and vouchers only, no cards");
        }
        Ok(till)
    }
}

/// Every slice that opens bills, one line each.
fn settlers() -> Vec<Box<dyn Settle>> {
    vec![
        Box::new(booking::Bookings),
        Box::new(spa::Orders),
        #[cfg(feature = "controls")]
        Box::new(stand_in::StandIn),
    ]
}

/// What the tests of payments pay for, so that they need no other slice. In no release.
#[cfg(feature = "controls")]
mod stand_in {
    use futures_util::future::LocalBoxFuture;
    use kernel::problem::Problem;
    use payments::{Fulfilment, Payer, Settle};
    use pg::Tx;
    use uuid::Uuid;

    /// Subjects whose ids end with this are gone when they are paid.
    const GONE: u8 = 0xdd;
    /// And with this they refuse to be paid.
    const REFUSES: u8 = 0xcc;

    pub(super) struct StandIn;

    fn last_byte(id: Uuid) -> u8 {
        id.as_bytes().last().copied().unwrap_or_default()
    }

    fn told(tx: &mut Tx, id: Uuid, what: &'static str) -> Result<(), Problem> {
        tx.audit(what, ("test_subject", id), &what).map_err(|error| error.problem())
    }

    impl Settle for StandIn {
        fn kind(&self) -> &'static str {
            "test_subject"
        }

        fn admit<'a>(
            &'a self,
            _: &'a mut Tx,
            id: Uuid,
            _: Payer,
        ) -> LocalBoxFuture<'a, Result<(), Problem>> {
            let problem = Problem::new(409, "test.refuses", "It refuses", "It is not to be paid.");
            let answer = if last_byte(id) == REFUSES { Err(problem) } else { Ok(()) };
            Box::pin(async move { answer })
        }

        fn settled<'a>(
            &'a self,
            tx: &'a mut Tx,
            id: Uuid,
        ) -> LocalBoxFuture<'a, Result<Fulfilment, Problem>> {
            Box::pin(async move {
                if last_byte(id) == GONE {
                    return Ok(Fulfilment::TooLate);
                }
                told(tx, id, "test_settled")?;
                Ok(Fulfilment::Given)
            })
        }

        fn reopened<'a>(
            &'a self,
            tx: &'a mut Tx,
            id: Uuid,
        ) -> LocalBoxFuture<'a, Result<(), Problem>> {
            Box::pin(async move { told(tx, id, "test_reopened") })
        }
    }
}
