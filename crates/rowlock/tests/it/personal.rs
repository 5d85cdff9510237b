//! What is kept of people, and that erasing somebody reaches all of it: rows, the log, stored
//! answers, mails, and what workers keep in memory.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use testkit::{Bed, PATIENCE, Person, Socket, Sql, wait_until};

use crate::floor_reservations::evening;
use crate::floor_room::Room;
use crate::sale::{Sale, blocks, text};

/// In everything that this person is called.
const NAME: &str = "Quillon";

/// Columns that may name somebody, and what becomes of them when the person is erased.
const PERSONAL: &[(&str, &str)] = &[
    ("booking.booking.customer_email", "emptied"),
    ("booking.booking.customer_name", "blanked"),
    ("booking.request.body", "the row goes"),
    ("booking.request.refusal", "the row goes"),
    ("booking.waiting.email", "emptied"),
    ("floor.guest.allergies", "emptied"),
    ("floor.guest.email", "emptied"),
    ("floor.guest.flags", "emptied"),
    ("floor.guest.guest_name", "blanked"),
    ("floor.guest.link_hash", "emptied"),
    ("floor.guest.notes", "emptied"),
    ("floor.guest.phone", "emptied"),
    ("floor.keyframe.state", "their parties and reservations are taken out"),
    ("floor.reservation.guest_name", "blanked"),
    ("floor.reservation.notes", "emptied"),
    ("floor.reservation.phone", "emptied"),
    ("floor.reservation.token_hash", "emptied"),
    ("gala.attempt.subject", "an address with a show or a ticket, forgotten after two days"),
    ("gala.guest.dietary", "emptied"),
    ("gala.guest.note", "emptied"),
    ("gala.invitation.email", "emptied"),
    ("gala.table.captain_email", "emptied"),
    ("gala.table.captain_name", "blanked"),
    ("identity.attempt.subject", "a hash, forgotten after a day"),
    ("identity.invitation.email", "replaced"),
    ("identity.oidc_login.email", "the row goes"),
    ("identity.oidc_login.issuer", "the row goes"),
    ("identity.oidc_login.subject", "the row goes"),
    ("identity.session.agent", "emptied"),
    ("identity.user.email", "replaced"),
    ("identity.user.name", "blanked"),
    ("identity.user.password_hash", "emptied"),
    ("log.audit.payload", "emptied with its salt"),
    ("log.once.answer", "emptied"),
    ("log.venue_event.data", "emptied"),
    ("notify.mail.attachments", "the row goes"),
    ("notify.mail.html", "the row goes"),
    ("notify.mail.recipient", "the row goes"),
    ("notify.mail.subject", "the row goes"),
    ("notify.mail.text", "the row goes"),
    ("notify.push.body", "the row goes"),
    ("payments.discount.reason", "blanked"),
    ("payments.receipt.body", "the reason is taken out"),
    ("payments.refund.reason", "blanked"),
    ("payments.refund_request.reason", "blanked"),
    ("spa.order.name", "emptied"),
    ("spa.order.note", "emptied"),
    ("spa.order.reason", "emptied"),
    ("spa.therapist.name", "blanked"),
    ("tickets.alert.detail", "ids alone"),
    ("tickets.scan.agent", "emptied"),
    ("tickets.scan.detail", "the name of whoever scanned first is taken out"),
    ("tickets.ticket.email", "emptied"),
    ("tickets.ticket.name", "blanked"),
];

/// Columns that are about things.
const PLAIN: &[&str] = &[
    "booking.allocation.name",
    "booking.allocation.roles",
    "booking.booking.code",
    "booking.booking.labels",
    "booking.layout.name",
    "booking.layout.plan",
    "booking.request.key",
    "booking.request.operation",
    "booking.request.route",
    "booking.seat.allocation",
    "booking.seat.block",
    "booking.seat.category",
    "booking.seat.label",
    "booking.show.description",
    "booking.show.name",
    "booking.show.payment",
    "booking.show.plan",
    "booking.waiting.category",
    "floor.guest.previous_status",
    "floor.layout.name",
    "floor.layout.plan",
    "floor.level.name",
    "floor.line.quotes",
    "floor.reservation.why",
    "floor.section.name",
    "floor.section.server",
    "floor.settings.rules",
    "floor.table.name",
    "floor.table.shape",
    "gala.guest.table_name",
    "gala.invitation.table_name",
    "gala.move.by",
    "gala.move.from_table",
    "gala.move.to_table",
    "gala.party.code",
    "gala.table.name",
    "gala.table.reason",
    "identity.device.app_version",
    "identity.device.model",
    "identity.device.name",
    "identity.device_pairing.name",
    "identity.oidc_flow.provider",
    "identity.oidc_flow.return_to",
    "identity.signing_key.kid",
    "identity.user.deactivated_by",
    "identity.venue.name",
    "identity.venue.time_zone",
    "log.audit.action",
    "log.audit.entity",
    "log.once.key",
    "log.once.route",
    "log.venue_event.action",
    "log.venue_event.entity",
    "log.venue_event.type",
    "notify.mail.reason",
    "notify.push.reason",
    "payments.bill.lines",
    "payments.bill.title",
    "payments.drawer.name",
    "payments.drawer_close.figures",
    "payments.drawer_close.note",
    "payments.drawer_move.reason",
    "payments.errand.last_error",
    "payments.errand.provider",
    "payments.errand.reference",
    "payments.errand.refund_reference",
    "payments.errand.what",
    "payments.notice.event_id",
    "payments.notice.provider",
    "payments.outcome.reason",
    "payments.outcome.reference",
    "payments.payment.method",
    "payments.payment.provider",
    "payments.refund_bounce.reason",
    "payments.refund_bounce.reference",
    "payments.refund_outcome.reason",
    "payments.refund_outcome.reference",
    "payments.settings.rules",
    "payments.voucher.hint",
    "payments.voucher.reason",
    "spa.category.name",
    "spa.item.needs",
    "spa.item.service",
    "spa.item.skills",
    "spa.item.variant",
    "spa.order.code",
    "spa.order.needs",
    "spa.order.skills",
    "spa.room.name",
    "spa.room.offers",
    "spa.service.description",
    "spa.service.image_url",
    "spa.service.name",
    "spa.service.needs",
    "spa.service.skills",
    "spa.settings.rules",
    "spa.therapist.skills",
    "spa.turn.what",
    "spa.turn.why",
    "spa.variant.name",
    "tickets.list.name",
    "tickets.list.reentry",
    "tickets.question.choices",
    "tickets.question.text",
    "tickets.scan.answers",
    "tickets.scan.conflict",
    "tickets.scan.forced",
    "tickets.scan.gate",
    "tickets.scan.reason",
    "tickets.scan.verdict",
    "tickets.show.name",
    "tickets.ticket.blocked",
    "tickets.ticket.mail_error",
    "tickets.ticket.mail_state",
    "tickets.ticket.number",
    "tickets.ticket.revoked_why",
    "tickets.ticket.seat",
    "tickets.type.blocked",
    "tickets.type.name",
    "tickets.zone.name",
];

/// Names that say nothing about anybody, wherever they stand.
const PLAIN_NAMES: &[&str] = &["currency", "kind", "profile", "role", "state", "status"];

/// Every column that could hold words.
const WORDS: &str = "select n.nspname || '.' || c.relname || '.' || a.attname
    from pg_attribute a join pg_class c on c.oid = a.attrelid
    join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p') and not c.relispartition and a.attnum > 0 and not a.attisdropped
      and n.nspname not in ('pg_catalog', 'information_schema', 'public')
      and a.atttypid = any (array['text', 'text[]', 'varchar', 'json', 'jsonb']::regtype[])
    order by 1";

fn is_known(column: &str) -> bool {
    let name = column.rsplit('.').next();
    PERSONAL.iter().any(|(personal, _)| *personal == column)
        || PLAIN.contains(&column)
        || name.is_some_and(|name| PLAIN_NAMES.contains(&name))
            && !PERSONAL.iter().any(|(personal, _)| *personal == column)
}

#[tokio::test]
async fn every_column_with_words_is_known_to_name_people_or_not() -> Result<()> {
    let bed = Bed::start(1).await?;
    let columns: Vec<String> = bed.sql().await?.column(WORDS, &[]).await?;
    let strange: Vec<&String> = columns.iter().filter(|column| !is_known(column)).collect();
    ensure!(
        strange.is_empty(),
        "say in `personal.rs` whether these name people, and erase them if they do: {strange:?}"
    );
    for (listed, _) in PERSONAL {
        ensure!(columns.iter().any(|column| column == listed), "{listed} is gone");
    }
    Ok(())
}

/// Every table that has the word anywhere.
pub(crate) async fn tables_with(sql: &Sql, word: &str) -> Result<Vec<String>> {
    let tables = "select c.oid::regclass::text from pg_class c
        join pg_namespace n on n.oid = c.relnamespace
        where c.relkind in ('r', 'p') and not c.relispartition
          and n.nspname not in ('pg_catalog', 'information_schema', 'public')";
    let mut found = Vec::new();
    for table in sql.column::<String>(tables, &[]).await? {
        let count = format!("select count(*) from {table} t where t::text ilike '%{word}%'");
        if sql.value::<i64>(&count, &[]).await? > 0 {
            found.push(table);
        }
    }
    Ok(found)
}

/// Somebody who is known in every way that there is, in two venues.
async fn well_known(bed: &Bed, sale: &Sale, room: &Room) -> Result<Person> {
    let email = format!("{NAME}@example.org").to_lowercase();
    let password = "sea-otters hold hands 42";
    let body = json!({"name": NAME, "email": email, "password": password});
    bed.anyone().post("/api/v1/auth/register", body).await?.expect(201)?;
    let person = Person::log_in(&bed.anyone(), &email, password).await?;
    // Seats: their own, and some that the box office booked for their address.
    let owner = sale.house.owner();
    let book =
        |seats: [&str; 1]| json!({"seats": seats, "customer": {"name": NAME, "email": email}});
    person.post(sale.path("/bookings"), book(["T1-1"])).await?.expect(201)?;
    owner.post(sale.path("/bookings"), book(["T1-2"])).await?.expect(201)?;
    sale.book(owner, &["T1-3"]).await?.expect(201)?;
    let wish = json!({"quantity": 1, "email": email});
    person.post(sale.path("/waitlist"), wish).await?.expect(201)?;
    // A table, and the party that came for it.
    let at = evening(bed).await?;
    let wish = json!({"startsAt": at, "partySize": 2});
    let held = person.post(room.path("/reservations/holds"), wish).await?.expect(201)?;
    let (id, token) = (text(&held, "/reservation/id")?, text(&held, "/token")?);
    let path = |rest: &str| room.path(&format!("/reservations/{id}{rest}"));
    let words = json!({"token": token, "guestName": NAME, "phone": format!("{NAME} 351"),
        "notes": format!("{NAME} likes the window")});
    person.post(path("/book"), words).await?.expect(200)?;
    room.house.owner().post(path("/arrive"), json!({})).await?.expect(200)?;
    // Staff for a while, invited elsewhere, and a forgotten password.
    let role = json!({"email": email, "role": "therapist"});
    let member = owner.post(sale.house.path("/members"), role).await?.expect(201)?;
    let member = sale.house.path(&format!("/members/{}", text(&member, "/id")?));
    let therapist = Person::log_in(&bed.anyone(), &email, password).await?;
    crate::personal_spa::serves(bed, &sale.house, (NAME, &therapist)).await?;
    crate::personal_spa::visits(&room.house, (NAME, &person)).await?;
    owner.delete(member).await?.expect(204)?;
    let reset = json!({"email": email});
    bed.anyone().post("/api/v1/auth/password/reset-request", reset).await?.expect(202)?;
    let sql = bed.sql().await?;
    sql.run(&format!(
        "insert into identity.invitation (venue_id, id, email, role, secret_hash, created_at,
             expires_at) values ('{}', gen_random_uuid(), '{email}', 'host', '', now(), now());
         insert into identity.oidc_login (issuer, subject, user_id, linked_at)
             select 'https://id.example.org', '{NAME}', id, now() from identity.user
             where email = '{email}'",
        room.house.venue()
    ))
    .await?;
    Ok(person)
}

/// Tables name them, and the export has each part.
async fn is_known_everywhere(known: &[String], person: &Person) -> Result<()> {
    // The control: without all of these the search would find nothing and prove nothing.
    for table in [
        "booking.booking",
        "booking.waiting",
        "floor.guest",
        "floor.reservation",
        "identity.invitation",
        "identity.oidc_login",
        "log.venue_event",
        "log.once",
        "notify.mail",
        "payments.discount",
        "payments.receipt",
        "payments.refund",
        "spa.\"order\"",
        "spa.therapist",
    ] {
        ensure!(known.iter().any(|found| found == table), "{table} is not in {known:?}");
    }
    let kept = person.get("/api/v1/me/export").await?.expect(200)?;
    for part in [
        "/bookings/0",
        "/waiting/0",
        "/reservations/0",
        "/mails/0",
        "/orders/0",
        "/therapist/0",
        "/payments/0",
        "/identity/logins/0",
        "/identity/invitations/0",
        "/identity/sessions/0",
    ] {
        ensure!(kept.pointer(part).is_some_and(Value::is_object), "no {part} in {kept}");
    }
    Ok(())
}

#[tokio::test]
async fn whoever_is_erased_is_named_nowhere_any_more() -> Result<()> {
    for redis in [true, false] {
        let bed = Bed::with().workers(2);
        let bed = if redis { bed } else { bed.without_redis() }.start().await?;
        let sale = Sale::of(bed.house().await?, blocks(1, 3)).await?;
        let room = Room::with(&bed, &[2]).await?;
        let listen = async |house: &testkit::House, worker: usize| {
            let address = bed.worker(worker)?.address();
            let mut socket = Socket::open(&address, house.owner().token()).await?;
            socket.listen(house.venue(), &[], None).await?;
            anyhow::Ok(socket)
        };
        let mut watching = [
            listen(&sale.house, 0).await?,
            listen(&sale.house, 1).await?,
            listen(&room.house, 1).await?,
        ];
        let since: Vec<String> = watching.iter().map(|socket| socket.pos().to_owned()).collect();
        let person = well_known(&bed, &sale, &room).await?;
        let sql = bed.sql().await?;
        let known = tables_with(&sql, NAME).await?;
        is_known_everywhere(&known, &person).await?;
        for socket in &mut watching {
            let heard = |s: &Socket| s.events().iter().any(|e| e.to_string().contains(NAME));
            socket.hear_until("their name", PATIENCE, heard).await?;
        }

        let typed = json!({"email": person.email()});
        person.at(0).post("/api/v1/me/erase", typed).await?.expect(204)?;
        ensure!(
            tables_with(&sql, NAME).await? == Vec::<String>::new(),
            "{:?}",
            tables_with(&sql, NAME).await?
        );
        for house in [&sale.house, &room.house] {
            crate::personal_spa::still_right(house).await?;
        }
        for socket in &mut watching {
            let told = |s: &Socket| s.resyncs().iter().any(|reason| reason == "forgotten");
            socket.hear_until("to load anew", PATIENCE, told).await?;
        }
        // Whoever comes back from before hears what happened, and no name.
        let houses = [(&sale.house, 0), (&sale.house, 1), (&room.house, 1)];
        for ((house, worker), since) in houses.into_iter().zip(&since) {
            let address = bed.worker(worker)?.address();
            wait_until("the worker has forgotten", PATIENCE, async || {
                let mut socket = Socket::open(&address, house.owner().token()).await?;
                let granted = socket.listen(house.venue(), &[], Some(since)).await?;
                let replay = granted.get("replay").and_then(Value::as_u64).context("no replay")?;
                let all = usize::try_from(replay)?;
                socket.hear_until("the past", PATIENCE, |s| s.events().len() >= all).await?;
                let named = socket.events().iter().any(|event| event.to_string().contains(NAME));
                ensure!(all > 0, "nothing happened");
                Ok((!named).then_some(()))
            })
            .await?;
        }
    }
    Ok(())
}
