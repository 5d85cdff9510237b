//! A show with tables and guests with tickets, for the tests of the gala.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use testkit::{Answered, Ask, Bed, Client, House, Person, Sql};

use crate::sale::{Sale, blocks, text};

/// A gala that guests can choose at.
#[derive(Clone, Debug)]
pub(crate) struct Hall {
    pub(crate) sale: Sale,
}

/// What stands on the ticket number `n`.
pub(crate) fn number(n: usize) -> String {
    format!("G-{n:04}")
}

/// Whose it is.
pub(crate) fn name(n: usize) -> String {
    format!("Ána Lópes {n:04}")
}

/// Numbers and names of these tickets, as people type them.
pub(crate) fn pairs(tickets: impl IntoIterator<Item = usize>) -> Value {
    let pair = |n| json!({"number": number(n), "name": name(n)});
    tickets.into_iter().map(pair).collect()
}

impl Hall {
    /// `tables` of `chairs` in a new venue, and so many tickets.
    pub(crate) async fn of(
        bed: &Bed,
        (tables, chairs): (usize, usize),
        tickets: usize,
    ) -> Result<Self> {
        let hall = Self::in_house(bed.house().await?, blocks(tables, chairs)).await?;
        hall.issue(&bed.sql().await?, 1, tickets).await?;
        Ok(hall)
    }

    /// The same in a venue that is there, without tickets.
    pub(crate) async fn in_house(house: House, blocks: Vec<Value>) -> Result<Self> {
        let hall = Self { sale: Sale::of(house, blocks).await? };
        hall.set_up(json!({})).await?.expect(200)?;
        Ok(hall)
    }

    pub(crate) fn owner(&self) -> &Person {
        self.sale.house.owner()
    }

    /// The gala's path and what follows.
    pub(crate) fn path(&self, rest: &str) -> String {
        self.sale.path(&format!("/gala{rest}"))
    }

    pub(crate) async fn set_up(&self, settings: Value) -> Result<Answered> {
        self.owner().put(self.path(""), settings).await
    }

    /// Tickets from `first` on. How they are issued is another slice's matter.
    pub(crate) async fn issue(&self, sql: &Sql, first: usize, count: usize) -> Result<()> {
        let (venue, show) = (self.sale.house.venue().parse::<uuid::Uuid>()?, self.show()?);
        let doors = "insert into tickets.show (venue_id, show_id, name, opens_at, closes_at)
            values ($1, $2, 'Winter Gala', '2099-02-01', '2099-02-02') on conflict do nothing";
        sql.execute(doors, &[&venue, &show]).await?;
        let kind = "insert into tickets.type (venue_id, id, show_id, class, name)
            values ($1, gen_random_uuid(), $2, 1, 'Gala') on conflict do nothing";
        sql.execute(kind, &[&venue, &show]).await?;
        let ids =
            (first..first + count).map(|n| uuid::Uuid::from_u128((0x0198 << 112) + n as u128));
        let (numbers, names): (Vec<String>, Vec<String>) =
            (first..first + count).map(|n| (number(n), name(n))).unzip();
        let issue = "insert into tickets.ticket
                (venue_id, id, show_id, number, class, name, created_at)
            select $1, t.id, $2, t.number, 1, t.name, now()
            from unnest($3::uuid[], $4::text[], $5::text[]) as t(id, number, name)";
        sql.execute(issue, &[&venue, &show, &ids.collect::<Vec<_>>(), &numbers, &names]).await?;
        Ok(())
    }

    pub(crate) fn show(&self) -> Result<uuid::Uuid> {
        Ok(self.sale.show.parse()?)
    }

    /// Asks for a session.
    pub(crate) fn open(&self, client: &Client, tickets: Value) -> Ask {
        client.post(self.path("/session"), json!({"tickets": tickets}))
    }

    /// The token of a new session.
    pub(crate) async fn token(
        &self,
        client: &Client,
        tickets: impl IntoIterator<Item = usize>,
    ) -> Result<String> {
        let tickets: Vec<usize> = tickets.into_iter().collect();
        // Parties come from homes of their own: attempts are counted by address.
        let home = tickets.first().copied().unwrap_or_default();
        let home = format!("10.9.{}.{}", home / 256 % 256, home % 256);
        let ask = self.open(client, pairs(tickets)).header("X-Forwarded-For", &home);
        let session = ask.settled().await?.expect(201)?;
        text(&session, "/token")
    }

    /// Asks for a table.
    pub(crate) fn choose(&self, client: &Client, token: &str, table: &str) -> Ask {
        let ask = client.post(self.path("/assignments"), json!({"table": table}));
        ask.header("Guest-Token", token)
    }

    /// Seats these tickets as one party.
    pub(crate) async fn seat(
        &self,
        client: &Client,
        tickets: impl IntoIterator<Item = usize>,
        table: &str,
    ) -> Result<String> {
        let token = self.token(client, tickets).await?;
        self.choose(client, &token, table).settled().await?.expect(201)?;
        Ok(token)
    }

    /// A table as anybody sees it.
    pub(crate) async fn table(&self, client: &Client, table: &str) -> Result<Value> {
        let all = client.get(self.path("/tables")).await?.expect(200)?;
        let tables = all["tables"].as_array().context("there are no tables")?;
        let found = tables.iter().find(|one| one["name"] == table);
        found.cloned().with_context(|| format!("there is no {table} in {all}"))
    }

    /// All guests as staff see them, by number.
    pub(crate) async fn guests(&self, query: &str) -> Result<Vec<Value>> {
        let path = self.path(&format!("/assignments?limit=200{query}"));
        let found = self.owner().get(path).await?.expect(200)?;
        let mut guests = found["items"].as_array().cloned().unwrap_or_default();
        guests.sort_by_key(|guest| guest["number"].to_string());
        Ok(guests)
    }

    /// The tables of these tickets, `-` for none.
    pub(crate) async fn places(
        &self,
        tickets: impl IntoIterator<Item = usize>,
    ) -> Result<Vec<String>> {
        let guests = self.guests("").await?;
        let place = |n: usize| {
            let guest = guests.iter().find(|guest| guest["number"] == number(n).as_str());
            let guest = guest.with_context(|| format!("no guest {n}"))?;
            Ok(guest["table"].as_str().unwrap_or("-").to_owned())
        };
        tickets.into_iter().map(place).collect()
    }

    /// The id of a ticket.
    pub(crate) async fn id(&self, n: usize) -> Result<String> {
        let guests = self.guests(&format!("&q={}", number(n))).await?;
        text(guests.first().context("no such guest")?, "/id")
    }

    /// Asks to move guests, each to a table or to none.
    pub(crate) async fn moves(
        &self,
        client: &Client,
        moves: &[(usize, Option<&str>)],
    ) -> Result<Ask> {
        let mut asked = Vec::new();
        for (n, table) in moves {
            let mut one = json!({"guest": self.id(*n).await?});
            if let Some(table) = table {
                one["table"] = json!(table);
            }
            asked.push(one);
        }
        Ok(client.post(self.path("/moves"), json!({"moves": asked})))
    }
}

/// What must hold of all chairs, whoever gave them: none twice, no guest twice, and both slices
/// say the same.
pub(crate) async fn check_chairs(sql: &Sql) -> Result<()> {
    let count = async |what: &str| sql.value::<i64>(what, &[]).await;
    let chair_twice = "select count(*) from (select 1 from booking.claim
        group by venue_id, show_id, seat having count(*) > 1) twice";
    anyhow::ensure!(count(chair_twice).await? == 0, "a chair was given out twice");
    let guest_twice = "select count(*) from (select 1 from booking.claim where guest_id is not null
        group by venue_id, show_id, guest_id having count(*) > 1) twice";
    anyhow::ensure!(count(guest_twice).await? == 0, "a guest has two chairs");
    let differ = "select count(*) from gala.guest g
        full join (select * from booking.claim where guest_id is not null) c
            on (c.venue_id, c.show_id, c.guest_id, c.seat)
             = (g.venue_id, g.show_id, g.ticket_id, g.chair)
        left join booking.seat s
            on (s.venue_id, s.show_id, s.seat) = (c.venue_id, c.show_id, c.seat)
        where (g.chair is not null or c.guest_id is not null)
          and (g.chair is null or c.guest_id is null or s.block <> g.table_name)";
    anyhow::ensure!(count(differ).await? == 0, "the two slices differ about a chair");
    Ok(())
}

/// Gives a show with four chairs a gala with a guest, a captain and an invitation.
pub(crate) async fn busy(bed: &Bed, sale: &Sale) -> Result<()> {
    let hall = Hall { sale: sale.clone() };
    hall.set_up(json!({})).await?.expect(200)?;
    hall.issue(&bed.sql().await?, 1, 2).await?;
    hall.seat(&bed.anyone(), [1], "T1").await?;
    let link = json!({"table": "T1"});
    let link = hall.owner().post(hall.path("/captains"), link).await?.expect(201)?;
    let invited = bed.anyone().post(hall.path("/captain/invitations"), json!({"seats": 1}));
    invited.header("Captain-Token", &text(&link, "/token")?).await?.expect(201)?;
    Ok(())
}
