//! The spa of the demo: what it sells, its rooms, two therapists on shift, one customer who has paid in
//! cash into an open drawer, one who is being treated, and two who wait.

use anyhow::Context as _;
use kernel::ids::{UserId, VenueId};
use kernel::money::Money;
use kernel::scope::Scope;
use payments::model::Method;
use payments::open_drawer::{OpenDrawer, open_drawer};
use payments::plan::TakePayment;
use payments::take_payment::take_payment;
use payments::{Payer, Settlers, Subject, Till};
use pg::write::Refusal;
use pg::{Db, Outcome, Tx, WriteTask};
use serde_json::{Value, json};
use spa::catalogue::find_catalogue;
use spa::claim_next::claim_next;
use spa::claim_payment::claim_payment;
use spa::create_order::{CartItem, CreateOrder, PlacedOrder, create_order};
use spa::finish_order::finish_order;
use spa::import_catalogue::{ImportCatalogue, import_catalogue};
use spa::rooms::{CreateRoom, create_room};
use spa::shifts::{SaveTherapist, Step, save_therapist, step_shift};
use spa::start_order::start_order;

/// Who works in it.
pub(crate) struct Crew {
    pub(crate) owner: UserId,
    pub(crate) therapists: [(UserId, &'static str); 2],
    pub(crate) cashier: UserId,
}

/// What each treatment costs, in cents.
const PRICE: i64 = 7_500;
/// What lies in the drawer to begin with, in cents.
const FLOAT: i64 = 20_000;

/// Writes as `user`, without a client's key.
async fn write<T, E>(
    db: &Db,
    (venue, user): (VenueId, UserId),
    rule: impl AsyncFn(&mut Tx) -> Result<T, E>,
) -> anyhow::Result<T>
where
    T: serde::Serialize + edge::answer::Versioned,
    E: Refusal,
{
    let task = WriteTask::job("demo", Scope::venue(venue, Some(user)));
    match db.write(&task, async |tx| rule(tx).await.map(edge::Done)).await {
        Ok(Outcome::Done { value, .. }) => Ok(value.0),
        Ok(Outcome::Replayed(_)) => anyhow::bail!("the demo has no keys to replay"),
        Err(error) => anyhow::bail!("{}", error.problem()),
    }
}

/// Makes all of it, in a venue that has none.
pub(crate) async fn open(db: &Db, venue: VenueId, crew: &Crew) -> anyhow::Result<()> {
    let owner = (venue, crew.owner);
    let import = ImportCatalogue { rows: rows(), dry_run: None, on_error: None };
    write(db, owner, async |tx| import_catalogue(tx, &import).await).await?;
    for (name, offers) in [("Lotus", vec!["bed"]), ("Jade", vec!["bed"]), ("Spring", vec!["bath"])]
    {
        let offers = offers.into_iter().map(str::to_owned).collect();
        let room = CreateRoom {
            name: name.to_owned(),
            offers: Some(offers),
            turnover_minutes: None,
            position: None,
        };
        write(db, owner, async |tx| create_room(tx, &room).await).await?;
    }
    for (user, name) in crew.therapists {
        let skills = vec!["thai".to_owned(), "bath".to_owned()];
        let save = SaveTherapist { name: name.to_owned(), skills };
        write(db, owner, async |tx| save_therapist(tx, user, &save).await).await?;
        let begin = async |tx: &mut Tx| step_shift(tx, user, None, Step::Begin).await;
        write(db, (venue, user), begin).await?;
    }
    visits(db, venue, crew).await
}

fn rows() -> Vec<Value> {
    let price = json!({"amount": PRICE, "currency": "EUR"});
    let row = |category: &str, service: &str, skill: &str, room: &str| {
        json!({"category": category, "service": service, "skills": [skill],
            "roomNeeds": [room], "variant": "60 minutes", "price": price, "minutes": 60,
            "afterMinutes": 5})
    };
    vec![
        row("Massages", "Thai massage", "thai", "bed"),
        row("Massages", "Hot stones", "thai", "bed"),
        row("Baths", "Herbal bath", "bath", "bath"),
    ]
}

/// One has paid, one is being treated, two wait.
async fn visits(db: &Db, venue: VenueId, crew: &Crew) -> anyhow::Result<()> {
    let [(first, _), (second, _)] = crew.therapists;
    let paid = order(db, venue, crew.owner).await?;
    treat(db, venue, first).await?;
    let (id, cashier) = (paid.order.id, crew.cashier);
    write(db, (venue, first), async |tx| finish_order(tx, id, first).await).await?;
    let drawer = OpenDrawer { name: "Front desk".to_owned(), float: euro(FLOAT)? };
    write(db, (venue, cashier), async |tx| open_drawer(tx, cashier, &drawer).await).await?;
    write(db, (venue, cashier), async |tx| claim_payment(tx, cashier).await).await?;
    let (till, cash) = (Till::new(Settlers::new(vec![Box::new(spa::Orders)]), Vec::new()), cash()?);
    let subject = Subject::new("order", id.0);
    let pay = async |tx: &mut Tx| {
        take_payment(tx, &till, &subject, &cash, (Payer::Staff(cashier), None)).await
    };
    write(db, (venue, cashier), pay).await?;
    for _ in 0..3 {
        order(db, venue, crew.owner).await?;
    }
    treat(db, venue, second).await
}

/// A customer chooses the first that there is.
async fn order(db: &Db, venue: VenueId, owner: UserId) -> anyhow::Result<PlacedOrder> {
    let shown = db.read(Scope::venue(venue, None), async |q| find_catalogue(q, false).await).await;
    let shown = shown.map_err(|error| anyhow::anyhow!("{}", error.problem()))?;
    let variant = shown.variants.first().context("the spa sells nothing")?;
    let items = vec![CartItem { variant: variant.id, price: variant.price }];
    let cart = CreateOrder { items, therapist: None, name: None, note: None };
    write(db, (venue, owner), async |tx| create_order(tx, &cart).await).await
}

/// The therapist takes the next customer and begins.
async fn treat(db: &Db, venue: VenueId, therapist: UserId) -> anyhow::Result<()> {
    let by = (venue, therapist);
    let next = write(db, by, async |tx| claim_next(tx, therapist).await).await?;
    let Some(order) = next.order else { anyhow::bail!("nobody waits: {}", next.detail) };
    write(db, by, async |tx| start_order(tx, order.id, therapist).await).await.map(drop)
}

fn cash() -> anyhow::Result<TakePayment> {
    Ok(TakePayment {
        method: Method::Cash,
        amount: None,
        tip: Some(euro(500)?),
        tendered: Some(euro(10_000)?),
        voucher: None,
    })
}

fn euro(amount: i64) -> anyhow::Result<Money> {
    Ok(Money { amount, currency: "EUR".parse()? })
}
