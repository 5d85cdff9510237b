//! A venue with a cashier, and bills of a subject that only tests have (`rowlock::till::stand_in`).

use anyhow::Result;
use serde_json::{Value, json};
use testkit::{Ask, Bed, Client, House, Person, Sql};
use uuid::Uuid;

/// What makes a subject gone when it is paid, and what makes it refuse to be paid.
pub(crate) const GONE: u8 = 0xdd;
pub(crate) const REFUSES: u8 = 0xcc;
/// The secret by which a customer pays.
pub(crate) const SECRET: &str = "the customer's own secret";

/// A venue that takes money.
#[derive(Clone, Debug)]
pub(crate) struct Till {
    pub(crate) house: House,
    pub(crate) cashier: Person,
}

impl Till {
    pub(crate) async fn open(bed: &Bed) -> Result<Self> {
        let house = bed.house().await?;
        let cashier = house.member("cashier").await?;
        Ok(Self { house, cashier })
    }

    /// A bill of these lines, as a slice would have opened it.
    pub(crate) async fn bill(&self, sql: &Sql, lines: &[(&str, i64)]) -> Result<Bill> {
        // A plain one: its last byte says nothing.
        let mut bytes = *Uuid::new_v4().as_bytes();
        bytes[15] = 0;
        self.bill_of(sql, Uuid::from_bytes(bytes), lines).await
    }

    /// A bill for a subject whose id ends with `last`.
    pub(crate) async fn odd_bill(&self, sql: &Sql, last: u8, due: i64) -> Result<Bill> {
        let mut bytes = *Uuid::new_v4().as_bytes();
        bytes[15] = last;
        self.bill_of(sql, Uuid::from_bytes(bytes), &[("A thing", due)]).await
    }

    async fn bill_of(&self, sql: &Sql, id: Uuid, lines: &[(&str, i64)]) -> Result<Bill> {
        let due: i64 = lines.iter().map(|(_, amount)| amount).sum();
        let lines: Vec<Value> = lines
            .iter()
            .map(|(text, amount)| json!({"text": text, "quantity": 1, "amount": euro(*amount)}))
            .collect();
        let venue: Uuid = self.house.venue().parse()?;
        sql.execute(
            "insert into payments.bill (venue_id, kind, id, title, lines, due, currency,
                house_currency, secret_hash, opened_at)
             values ($1, 'test_subject', $2, 'Order A17', $3, $4, 'EUR', 'EUR',
                sha256(convert_to($5, 'UTF8')), now())",
            &[&venue, &id, &json!(lines), &due, &SECRET],
        )
        .await?;
        Ok(Bill { id, path: self.house.path(&format!("/bills/test_subject/{id}")) })
    }

    /// All promises hold.
    pub(crate) async fn audited(&self) -> Result<()> {
        let path = self.house.path("/audit/invariants");
        let found = self.house.owner().get(path).await?.expect(200)?;
        anyhow::ensure!(found["holds"] == true, "promises are broken: {found:#}");
        Ok(())
    }
}

/// A bill's path.
#[derive(Clone, Debug)]
pub(crate) struct Bill {
    pub(crate) id: Uuid,
    path: String,
}

impl Bill {
    /// Its path and what follows.
    pub(crate) fn path(&self, rest: &str) -> String {
        format!("{}{rest}", self.path)
    }

    /// Pays with cash: all that is left unless `amount` says less.
    pub(crate) fn cash(&self, by: &Client, amount: Option<i64>, tendered: i64) -> Ask {
        let mut body = json!({"method": "cash", "tendered": euro(tendered)});
        if let Some(amount) = amount {
            body["amount"] = euro(amount);
        }
        by.post(self.path("/payments"), body)
    }

    /// As a cashier sees it.
    pub(crate) async fn seen(&self, by: &Client) -> Result<Value> {
        by.get(self.path("")).await?.expect(200)
    }
}

pub(crate) fn euro(amount: i64) -> Value {
    json!({"amount": amount, "currency": "EUR"})
}
