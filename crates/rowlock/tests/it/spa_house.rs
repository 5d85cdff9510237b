//! A spa with a catalogue, rooms and therapists, and what tests ask of it; and what it is made of.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use testkit::{Answered, Ask, Bed, Client, House, Person};

use crate::sale::text;

/// Euros in cents.
pub(crate) fn euro(amount: i64) -> Value {
    json!({"amount": amount, "currency": "EUR"})
}

/// A venue that sells one massage for 50 euros in rooms with a bed.
#[derive(Clone, Debug)]
pub(crate) struct Spa {
    pub(crate) house: House,
    pub(crate) service: String,
    pub(crate) variant: String,
}

/// Rules that neither wait nor forget, with what a test changes of them.
pub(crate) fn rules(changed: &Value) -> Value {
    let mut rules = json!({"turnSecs": 0, "claimLeaseSecs": 120, "claimMinutes": 20,
        "serviceGraceMinutes": 15, "paymentLeaseSecs": 120, "paymentClaimMinutes": 30,
        "paymentMinutes": 3, "undoSecs": 300, "noShowSecs": 0, "lineMax": 1000});
    if let (Some(all), Some(changed)) = (rules.as_object_mut(), changed.as_object()) {
        all.extend(changed.clone());
    }
    rules
}

impl Spa {
    /// With so many rooms without any turnover.
    pub(crate) async fn of(bed: &Bed, rooms: usize) -> Result<Self> {
        Self::within(bed.house().await?, rooms).await
    }

    /// The same in a venue that does other things besides.
    pub(crate) async fn within(house: House, rooms: usize) -> Result<Self> {
        let owner = house.owner();
        let category = post(&house, "/catalogue/categories", json!({"name": "Massage"})).await?;
        let service = json!({"category": category["id"], "name": "Thai massage",
            "skills": ["thai"], "roomNeeds": ["bed"]});
        let service = post(&house, "/catalogue/services", service).await?;
        let variant = json!({"service": service["id"], "name": "60 minutes",
            "price": euro(5000), "minutes": 60});
        let variant = post(&house, "/catalogue/variants", variant).await?;
        for n in 1..=rooms {
            let room = json!({"name": n.to_string(), "offers": ["bed"], "turnoverMinutes": 0});
            post(&house, "/rooms", room).await?;
        }
        let settings = house.path("/spa/settings");
        owner.put(settings, rules(&json!({}))).await?.expect(200)?;
        Ok(Self { service: text(&service, "/id")?, variant: text(&variant, "/id")?, house })
    }

    pub(crate) async fn set(&self, changed: Value) -> Result<()> {
        let path = self.path("/spa/settings");
        self.house.owner().put(path, rules(&changed)).await?.expect(200).map(drop)
    }

    pub(crate) fn path(&self, rest: &str) -> String {
        self.house.path(rest)
    }

    /// A new member who can do massages and is on shift.
    pub(crate) async fn therapist(&self, name: &str) -> Result<Person> {
        let person = self.house.member("therapist").await?;
        let id = text(person.user(), "/id")?;
        let path = self.path(&format!("/therapists/{id}"));
        let save = json!({"name": name, "skills": ["thai"]});
        self.house.owner().put(path, save).settled().await?.expect(200)?;
        self.shift(&person, "begin").await?.expect(200)?;
        Ok(person)
    }

    /// A step of one's own shift.
    pub(crate) fn shift(&self, who: &Client, step: &str) -> Ask {
        who.post(self.path(&format!("/shifts/{step}")), json!({}))
    }

    /// Asks for one massage.
    pub(crate) fn cart(&self) -> Value {
        json!({"items": [{"variant": self.variant, "price": euro(5000)}]})
    }

    /// A customer orders one massage.
    pub(crate) async fn order(&self, bed: &Bed) -> Result<Placed> {
        self.order_as(bed, self.cart()).await
    }

    pub(crate) async fn order_as(&self, bed: &Bed, cart: Value) -> Result<Placed> {
        let placed = bed.anyone().post(self.path("/orders"), cart).settled().await?.expect(201)?;
        Placed::of(&placed)
    }

    /// Asks for the next customer.
    pub(crate) fn next(&self, therapist: &Client) -> Ask {
        therapist.post(self.path("/queue/therapist/next"), json!({}))
    }

    /// Takes the next customer; gives their order's id.
    pub(crate) async fn claim(&self, therapist: &Client) -> Result<String> {
        let next = self.next(therapist).settled().await?.expect(200)?;
        ensure!(next["outcome"] == "claimed", "nobody was claimed: {next}");
        text(&next, "/order/id")
    }

    /// A step of an order that needs no more.
    pub(crate) fn step(&self, who: &Client, order: &str, step: &str) -> Ask {
        who.post(self.path(&format!("/orders/{order}/{step}")), json!({}))
    }

    /// A customer is treated: an order that waits to be paid.
    pub(crate) async fn treated(&self, bed: &Bed, therapist: &Client) -> Result<Placed> {
        let placed = self.order(bed).await?;
        let id = self.claim(therapist).await?;
        ensure!(id == placed.id, "somebody else came first");
        self.step(therapist, &id, "start").await?.expect(200)?;
        self.step(therapist, &id, "finish").await?.expect(200)?;
        Ok(placed)
    }

    /// Pays what is left of an order in cash.
    pub(crate) fn pay(&self, cashier: &Client, order: &str, tendered: i64) -> Ask {
        let cash = json!({"method": "cash", "tendered": euro(tendered)});
        cashier.post(self.path(&format!("/orders/{order}/payments")), cash)
    }

    /// The order as staff see it.
    pub(crate) async fn look(&self, order: &str) -> Result<Value> {
        let path = self.path(&format!("/orders/{order}"));
        let seen = self.house.owner().get(path).await?.expect(200)?;
        seen.get("order").cloned().context("no order")
    }

    /// Every promise of the product holds in this venue.
    pub(crate) async fn check_invariants(&self) -> Result<()> {
        let path = self.path("/audit/invariants");
        let told = self.house.owner().get(path).settled().await?.expect(200)?;
        ensure!(told["holds"] == true, "broken: {told}");
        Ok(())
    }
}

/// Something in every table of the spa.
pub(crate) async fn busy(bed: &Bed, house: &House) -> Result<()> {
    let spa = Spa::within(house.clone(), 2).await?;
    let (mai, owner) = (spa.therapist("Mai").await?, house.owner());
    let paid = spa.treated(bed, &mai).await?;
    owner.post(spa.path("/queue/cashier/next"), json!({})).await?.expect(200)?;
    spa.pay(owner, &paid.id, 5000).await?.expect(201)?;
    spa.order(bed).await?;
    spa.claim(&mai).await?;
    spa.order(bed).await.map(drop)
}

async fn post(house: &House, rest: &str, body: Value) -> Result<Value> {
    house.owner().post(house.path(rest), body).settled().await?.expect(201)
}

/// An order and what opens it.
#[derive(Clone, Debug)]
pub(crate) struct Placed {
    pub(crate) id: String,
    pub(crate) code: String,
    pub(crate) token: String,
}

impl Placed {
    pub(crate) fn of(placed: &Value) -> Result<Self> {
        let [id, code, token] = ["/order/id", "/order/code", "/token"].map(|at| text(placed, at));
        Ok(Self { id: id?, code: code?, token: token? })
    }

    /// As its customer sees it, by the secret.
    pub(crate) async fn follow(&self, bed: &Bed, spa: &Spa) -> Result<Answered> {
        let path = spa.path(&format!("/orders/{}", self.id));
        bed.anyone().get(path).header("Order-Token", &self.token).await
    }
}

#[tokio::test]
async fn a_catalogue_comes_back_as_it_went_and_wrong_rows_are_all_told() -> Result<()> {
    let bed = Bed::start(1).await?;
    let (spa, other) = (Spa::of(&bed, 1).await?, bed.house().await?);
    let image = json!({"imageUrl": "https://cdn.example.org/thai.jpg", "description": "Oil."});
    let path = spa.path(&format!("/catalogue/services/{}", spa.service));
    spa.house.owner().patch(path, image).await?.expect(200)?;
    let export = spa.path("/catalogue/export");
    let exported = spa.house.owner().get(&export).await?.expect(200)?;
    let import = |body: Value| other.owner().post(other.path("/catalogue/import"), body);

    let looked = import(json!({"rows": exported["rows"], "dryRun": true})).await?.expect(200)?;
    assert_eq!((&looked["imported"], &looked["created"]), (&json!(false), &json!(3)));
    let empty = other.owner().get(other.path("/catalogue/export")).await?.expect(200)?;
    assert_eq!(empty["rows"], json!([]), "a look changes nothing");
    let done = import(json!({"rows": exported["rows"]})).await?.expect(200)?;
    assert_eq!((&done["imported"], &done["created"]), (&json!(true), &json!(3)));
    let there = other.owner().get(other.path("/catalogue/export")).await?.expect(200)?;
    assert_eq!(there, exported, "the round trip");
    let again = import(json!({"rows": exported["rows"]})).await?.expect(200)?;
    assert_eq!((&again["created"], &again["unchanged"]), (&json!(0), &json!(3)));

    let rows = json!([{"category": "Baths"}, {"category": "Baths", "service": "Mud",
        "variant": "Short", "minutes": 1, "price": euro(1)}, {"categry": "Baths"}]);
    let refused = import(json!({"rows": rows})).await?;
    refused.refused(422, "spa.bad_rows")?;
    let errors = refused.json["current"]["errors"].as_array().context("no errors")?;
    let places: Vec<_> = errors.iter().map(|error| error["pointer"].clone()).collect();
    assert_eq!(places, [json!("/rows/1/minutes"), json!("/rows/2")]);
    let there = other.owner().get(other.path("/catalogue/export")).await?.expect(200)?;
    assert_eq!(there, exported, "nothing was imported");
    let some = import(json!({"rows": rows, "onError": "skip"})).await?.expect(200)?;
    assert_eq!((&some["imported"], &some["created"]), (&json!(true), &json!(1)));
    Ok(())
}

#[tokio::test]
async fn customers_see_what_is_visible_and_staff_change_it_by_version() -> Result<()> {
    let bed = Bed::start(1).await?;
    let spa = Spa::of(&bed, 1).await?;
    let owner = spa.house.owner();
    let catalogue = spa.path("/catalogue");
    let seen = bed.anyone().get(&catalogue).await?.expect(200)?;
    assert_eq!(seen["variants"][0]["price"], euro(5000));
    let path = spa.path(&format!("/catalogue/services/{}", spa.service));
    let picture = json!({"imageUrl": "http://example.org/a.jpg"});
    owner.patch(&path, picture).await?.refused(422, "invalid")?;
    let hide = json!({"visible": false, "version": 1});
    owner.patch(&path, hide.clone()).await?.expect(200)?;
    owner.patch(&path, hide).await?.refused(412, "spa.stale")?;
    let seen = bed.anyone().get(&catalogue).await?.expect(200)?;
    assert_eq!((&seen["services"], &seen["variants"]), (&json!([]), &json!([])));
    let all = owner.get(format!("{catalogue}?all=true")).await?.expect(200)?;
    assert_eq!(all["variants"].as_array().map(Vec::len), Some(1));
    let sneaky = bed.anyone().get(format!("{catalogue}?all=true")).await?.expect(200)?;
    assert_eq!(sneaky["variants"], json!([]));
    bed.anyone().post(spa.path("/orders"), spa.cart()).await?.refused(409, "spa.cart_changed")?;
    owner.delete(&path).await?.refused(409, "spa.in_use")?;
    // Behind the last place that there is, what comes next has the same.
    for body in [json!({"name": "Last", "position": i32::MAX}), json!({"name": "Behind"})] {
        let made = owner.post(spa.path("/catalogue/categories"), body).await?.expect(201)?;
        assert_eq!(made["position"], i32::MAX);
    }
    let twice = json!({"name": "Massage"});
    owner.post(spa.path("/catalogue/categories"), twice).await?.refused(409, "spa.name_taken")?;
    let dollars = json!({"price": {"amount": 1, "currency": "USD"}});
    let path = spa.path(&format!("/catalogue/variants/{}", spa.variant));
    owner.patch(path, dollars).await?.refused(422, "spa.other_currency")?;
    Ok(())
}

#[tokio::test]
async fn a_room_is_made_again_before_the_next_and_the_database_refuses_two() -> Result<()> {
    let bed = Bed::start(1).await?;
    let spa = Spa::of(&bed, 0).await?;
    let owner = spa.house.owner();
    let room = json!({"name": "Lotus", "offers": ["bed"], "turnoverMinutes": 30});
    let room = text(&post(&spa.house, "/rooms", room).await?, "/id")?;
    let (mai, noi) = (spa.therapist("Mai").await?, spa.therapist("Noi").await?);
    spa.treated(&bed, &mai).await?;
    spa.order(&bed).await?;
    let next = spa.next(&noi).await?.expect(200)?;
    assert_eq!(next["outcome"], "no_room");
    let free_at: jiff::Timestamp = text(&next, "/expectedAt")?.parse()?;
    let minutes = free_at.duration_since(jiff::Timestamp::now()).as_mins();
    assert!((28..=30).contains(&minutes), "{next}");
    let path = spa.path(&format!("/rooms/{room}"));
    let out = json!({"outOfService": true});
    owner.patch(&path, out).await?.expect(200)?;
    let ready = spa.path(&format!("/rooms/{room}/ready"));
    mai.post(&ready, json!({})).await?.expect(200)?;
    let next = spa.next(&noi).await?.expect(200)?;
    assert_eq!((&next["outcome"], &next["expectedAt"]), (&json!("no_room"), &Value::Null));
    owner.patch(&path, json!({"outOfService": false})).await?.expect(200)?;
    let id = spa.claim(&noi).await?;
    mai.post(&ready, json!({})).await?.refused(409, "spa.room_occupied")?;
    owner.delete(&path).await?.refused(409, "spa.in_use")?;
    spa.check_invariants().await?;
    // The walls behind the locks: a room, a therapist or an order twice at one time.
    let sql = bed.sql().await?;
    let second = |room: &str, therapist: &str, order: &str| {
        format!(
            "insert into spa.stay select venue_id, gen_random_uuid(), {order}, {room}, {therapist},
                 room_during, therapist_during from spa.stay where order_id = '{id}'"
        )
    };
    let (fresh, open) = ("gen_random_uuid()", "(select id from spa.order limit 1)");
    for (statement, wall) in [
        (second("room_id", fresh, open), "stay_room_once"),
        (second(fresh, "therapist_id", open), "stay_therapist_once"),
        (second(fresh, fresh, "order_id"), "stay_order_once"),
    ] {
        let refused = sql.run(&statement).await.err().context("it was written")?;
        assert!(format!("{refused:?}").contains(wall), "{refused:?}");
    }
    Ok(())
}
