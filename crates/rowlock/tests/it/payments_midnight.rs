//! Money at midnight, with a clock that a test moves: the business day is the venue's own, receipts go
//! on counting, and no worker's clock decides.

use anyhow::{Result, ensure};
use futures_util::future::LocalBoxFuture;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use kernel::clock::Clock;
use kernel::ids::VenueId;
use kernel::problem::Problem;
use kernel::scope::Scope;
use payments::plan::TakePayment;
use payments::take_payment::take_payment;
use payments::{Fulfilment, Payer, PaymentError, Settle, Settlers, Subject};
use pg::{Db, DbConfig, Outcome, Tx, WriteTask};
use serde_json::json;
use testkit::Bed;
use uuid::Uuid;

use crate::till::{SECRET, Till, euro};

const ZONE: &str = "Europe/Lisbon";

/// Whoever is paid in these tests.
struct Anything;

impl Settle for Anything {
    fn kind(&self) -> &'static str {
        "test_subject"
    }

    fn settled<'a>(
        &'a self,
        _: &'a mut Tx,
        _: Uuid,
    ) -> LocalBoxFuture<'a, Result<Fulfilment, Problem>> {
        Box::pin(async { Ok(Fulfilment::Given) })
    }

    fn reopened<'a>(&'a self, _: &'a mut Tx, _: Uuid) -> LocalBoxFuture<'a, Result<(), Problem>> {
        Box::pin(async { Ok(()) })
    }
}

/// A till of its own whose clock stands before the venue's midnight.
struct Night {
    db: Db,
    clock: Clock,
    venue: VenueId,
    till: payments::Till,
}

impl Night {
    fn before_midnight(bed: &Bed, till: &Till) -> Result<Self> {
        let (now, zone) = (Timestamp::now(), TimeZone::get(ZONE)?);
        let midnight = now.to_zoned(zone.clone()).date().tomorrow()?.to_zoned(zone)?.timestamp();
        let ahead = midnight.duration_since(now) - SignedDuration::from_mins(1);
        let clock = Clock::with_offset(ahead);
        let config = DbConfig {
            url: bed.database().url().to_owned(),
            ca_pem: None,
            pool_size: 1,
            session_options: true,
            standing_sql: None,
        };
        let db = Db::new(&config, clock.clone()).map_err(anyhow::Error::msg)?;
        let settlers = Settlers::new(vec![Box::new(Anything)]);
        let (venue, till) =
            (till.house.venue().parse()?, payments::Till::new(settlers, Vec::new()));
        Ok(Self { db, clock, venue, till })
    }

    /// The day and the receipt's number of one more payment.
    async fn pay(&self, bill: &crate::till::Bill) -> Result<(Date, Option<i64>)> {
        let cmd: TakePayment =
            serde_json::from_value(json!({"method": "cash", "tendered": euro(5_000)}))?;
        let subject = Subject::new("test_subject", bill.id);
        let secret = edge::token::sha256(SECRET.as_bytes());
        let task = WriteTask::job("take_payment", Scope::venue(self.venue, None));
        let write = async |tx: &mut Tx| {
            let by = (Payer::Customer, Some(secret.as_slice()));
            take_payment(tx, &self.till, &subject, &cmd, by).await.map(edge::Created)
        };
        match self.db.write::<_, PaymentError, _>(&task, write).await? {
            Outcome::Done { value, .. } => Ok((value.0.payment.day, value.0.payment.receipt)),
            Outcome::Replayed(_) => anyhow::bail!("it was there before"),
        }
    }
}

#[tokio::test]
async fn at_midnight_the_day_changes_and_receipts_go_on() -> Result<()> {
    let bed = Bed::start(1).await?;
    let (till, sql) = (Till::open(&bed).await?, bed.sql().await?);
    let zone = json!({"timeZone": ZONE, "version": 1});
    till.house.owner().patch(till.house.path(""), zone).await?.expect(200)?;
    let night = Night::before_midnight(&bed, &till)?;
    let mut paid = Vec::new();
    for _ in 0..2 {
        paid.push(night.pay(&till.bill(&sql, &[("Massage", 5_000)]).await?).await?);
    }
    night.clock.advance(SignedDuration::from_mins(2));
    for _ in 0..2 {
        paid.push(night.pay(&till.bill(&sql, &[("Massage", 5_000)]).await?).await?);
    }
    let (today, tomorrow) = (paid[0].0, paid[0].0.tomorrow()?);
    let wanted = [(today, 1), (today, 2), (tomorrow, 3), (tomorrow, 4)];
    assert_eq!(paid, wanted.map(|(day, receipt)| (day, Some(receipt))));
    for (day, first) in [(today, 1), (tomorrow, 3)] {
        let path = till.house.path(&format!("/payments/report?day={day}"));
        let report = till.cashier.get(path).await?.expect(200)?;
        let receipts = (&report["firstReceipt"], &report["lastReceipt"]);
        assert_eq!(receipts, (&json!(first), &json!(first + 1)));
        assert_eq!(report["net"], euro(10_000));
    }
    // On the receipts stands the venue's own time.
    let times = "select body->>'localTime' from payments.receipt order by number";
    for (time, (day, _)) in sql.column::<String>(times, &[]).await?.iter().zip(wanted) {
        let clock = if day == today { "23:59" } else { "00:01" };
        ensure!(*time == format!("{day} {clock}"), "{time} on {day}");
    }
    let dense: Vec<i64> =
        sql.column("select number from payments.receipt order by number", &[]).await?;
    assert_eq!(dense, [1, 2, 3, 4]);
    Ok(())
}
