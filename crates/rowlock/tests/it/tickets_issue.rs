//! What becomes of tickets: imported, mailed, shown, changed, revoked, issued anew.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use testkit::smtp::MailServer;
use testkit::{Answered, Bed, PATIENCE, Socket, Sql, wait_until};

use crate::doors::{Coded, Doors};
use crate::sale::text;

/// Quoted-printable as people read it.
fn readable(mail: &str) -> String {
    mail.replace("=\r\n", "").replace("=3D", "=")
}

impl Doors {
    fn at(&self, ticket: &Coded, rest: &str) -> String {
        self.house.path(&format!("/tickets/{}{rest}", ticket.id))
    }

    async fn import(&self, table: &str, query: &str) -> Result<Answered> {
        let path = self.path(&format!("/tickets/import{query}"));
        let ask = self.house.owner().post(path, Value::Null).raw(table);
        ask.header("Content-Type", "text/csv").await
    }

    async fn count(&self) -> Result<usize> {
        let listed = self.house.owner().get(self.path("/tickets?limit=200")).await?.expect(200)?;
        listed["items"].as_array().map(Vec::len).context("no items")
    }
}

#[tokio::test]
async fn a_table_is_issued_whole_or_told_row_by_row() -> Result<()> {
    let bed = Bed::start(1).await?;
    let doors = Doors::open(&bed).await?;
    doors.add("ticket-types", json!({"name": "Vip"})).await?;
    let bad = "number;name;email;type;seat\nG-1;Ana;ana@example.org;Vip;T1-1\n\
               G-2;Ben;no address;Gold;\nG-1;Eve;;Standard;\n";
    let refused = doors.import(bad, "").await?;
    refused.refused(422, "tickets.bad_rows")?;
    let at: Vec<_> = refused.json["errors"].as_array().context("errors")?.iter().collect();
    let pointers: Vec<_> = at.iter().filter_map(|error| error["pointer"].as_str()).collect();
    assert_eq!(pointers, ["/3/type", "/3/email", "/4/number"]);
    assert_eq!(doors.count().await?, 0, "nothing was issued");

    let skipped = doors.import(bad, "?badRows=skip").await?.expect(201)?;
    assert_eq!(skipped["issued"], 1);
    assert_eq!(skipped["skipped"].as_array().map(Vec::len), Some(3));
    let again = doors.import(bad, "?badRows=skip").await?;
    again.refused(422, "tickets.bad_rows")?;
    assert_eq!(doors.count().await?, 1, "its number is taken");
    let many: Vec<_> = (0..1000).map(|n| format!("N-{n},Guest {n},standard")).collect();
    let many = format!("number,name,type\n{}\n", many.join("\n"));
    assert_eq!(doors.import(&many, "").await?.expect(201)?["issued"], 1000);
    doors.import("surname\nLopes\n", "").await?.refused(422, "tickets.bad_rows")?;
    let json = doors.house.owner().post(doors.path("/tickets/import"), json!({}));
    json.await?.refused(415, "not_a_table")
}

/// Those that wait for their next try need not in a test; those that are under way must not be taken
/// from their worker, or they would be sent twice. One mail is put off twice.
async fn push_on(sql: &Sql) -> Result<()> {
    let again = "update notify.mail set next_at = now(), reason = null
        where state = 'queued' and reason is not null";
    sql.run(again).await?;
    for _ in 0..2 {
        wait_until("one is put off", PATIENCE, async || {
            let off = "select count(*) from notify.mail where state = 'queued'
                and reason like '%451%'";
            Ok((sql.value::<i64>(off, &[]).await? == 1).then_some(()))
        })
        .await?;
        sql.run(again).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_ticket_is_mailed_with_its_code_and_its_page_opens_for_its_holder_alone() -> Result<()> {
    let port = testkit::free_port()?;
    let folder = std::env::temp_dir().join(format!("rowlock-smtp-{}", uuid::Uuid::new_v4()));
    let bed = Bed::with()
        .env("SMTP_URL", &format!("smtp://127.0.0.1:{port}"))
        .env("MAIL_FROM", "Hall <tickets@example.org>")
        .workers(2)
        .start()
        .await?;
    let doors = Doors::open(&bed).await?;
    let owner = doors.house.owner();
    let mut socket = Socket::open(&bed.worker(1)?.address(), owner.token()).await?;
    socket.listen(doors.house.venue(), &["tickets"], None).await?;
    let issue = |email: &str| json!({"class": 1, "name": "Ana <Lopes>", "email": email});
    let mut coded = Vec::new();
    for to in ["ana@example.org", "refused@example.org", "later@example.org"] {
        coded.extend(doors.issue(issue(to), 1).await?);
    }
    doors.issue(json!({"class": 1}), 1).await?;
    // Nobody listens yet: the mails wait.
    let queued = owner.post(doors.path("/tickets/send"), json!({})).await?.expect(200)?;
    assert_eq!(queued["queued"], 3, "one has no address");
    let nothing = owner.post(doors.path("/tickets/send"), json!({})).await?.expect(200)?;
    assert_eq!(nothing["queued"], 0, "they are on their way");
    let sql = bed.sql().await?;
    wait_until("each was tried in vain", PATIENCE, async || {
        let tried =
            "select count(*) from notify.mail where state = 'queued' and reason is not null";
        Ok((sql.value::<i64>(tried, &[]).await? == 3).then_some(()))
    })
    .await?;
    let server = MailServer::start(port, &folder)?;
    push_on(&sql).await?;
    let state = async |ticket: &Coded| -> Result<String> {
        let found = owner.get(doors.at(ticket, "")).await?.expect(200)?;
        Ok(format!("{} {}", text(&found, "/status")?, text(&found, "/mailState")?))
    };
    let [ana, refused, later] = coded.as_slice() else { anyhow::bail!("no tickets") };
    for (ticket, wanted) in [(ana, "sent sent"), (refused, "issued failed"), (later, "sent sent")] {
        wait_until("its mail is settled", PATIENCE, async || {
            Ok((state(ticket).await? == wanted).then_some(()))
        })
        .await
        .with_context(|| format!("{wanted}: {ticket:?}"))?;
    }
    let told = |s: &Socket| {
        s.events().iter().any(|event| {
            event["type"] == "tickets_mailed"
                && event["data"]["tickets"][0]["mailState"] == "failed"
        })
    };
    socket.hear_until("a mail was refused", PATIENCE, told).await?;

    let mails = server.mails()?;
    assert_eq!(mails.len(), 2);
    let mail = mails.iter().find(|mail| mail.contains("To: ana@example.org")).context("no mail")?;
    let mail = readable(mail);
    for wanted in
        ["Subject: Your ticket for Winter Gala", "Content-ID: <code>", "Ana &lt;Lopes&gt;"]
    {
        assert!(mail.contains(wanted), "{wanted} in {mail}");
    }
    let (_, link) = mail.split_once("/ticket#").context("no link")?;
    let link: Vec<&str> = link.split_whitespace().next().unwrap_or_default().split('.').collect();
    let [venue, ticket, secret] = link.as_slice() else { anyhow::bail!("no link: {link:?}") };
    assert_eq!((*venue, *ticket), (doors.house.venue(), ana.id.as_str()));

    opens_for_its_holder_alone(&bed, &doors, (ana, later), secret).await
}

/// `secret` opens the page of the first of these tickets, and of no other.
async fn opens_for_its_holder_alone(
    bed: &Bed,
    doors: &Doors,
    (ana, later): (&Coded, &Coded),
    secret: &str,
) -> Result<()> {
    let owner = doors.house.owner();
    let anyone = bed.anyone();
    let held = anyone.get(doors.at(ana, "/holder")).header("Ticket-Secret", secret);
    let held = held.await?.expect(200)?;
    assert_eq!(held["show"], "Winter Gala");
    let scanner = doors.house.member("scanner").await?;
    let code = json!({"code": held["code"]});
    assert_eq!(doors.told(scanner.client(), code).await?, ("admit".into(), "ok".into()));
    let picture =
        anyone.get(doors.at(ana, "/holder/qr?format=png")).header("Ticket-Secret", secret);
    let picture = picture.await?;
    assert_eq!(picture.status, 200);
    assert!(picture.bytes.starts_with(b"\x89PNG"), "a picture");
    for (ticket, secret) in [(ana, "c29tZXRoaW5nIGVsc2U"), (later, secret)] {
        let other = anyone.get(doors.at(ticket, "/holder")).header("Ticket-Secret", secret);
        other.await?.refused(404, "tickets.no_such_ticket")?;
    }
    anyone.get(doors.at(ana, "/holder")).await?.refused(400, "tickets.secret_missing")?;
    owner.post(doors.at(ana, "/link"), json!({})).await?.expect(201)?;
    let old = anyone.get(doors.at(ana, "/holder")).header("Ticket-Secret", secret);
    old.await?.refused(404, "tickets.no_such_ticket")
}

#[tokio::test]
async fn a_lost_code_dies_and_a_revoked_ticket_counts_again_when_it_is_issued_anew() -> Result<()> {
    let bed = Bed::start(1).await?;
    let doors = Doors::open(&bed).await?;
    let owner = doors.house.owner();
    let scanner = doors.house.member("scanner").await?;
    let told = async |ticket: &Coded| {
        let (_, reason) = doors.told(scanner.client(), json!({"code": ticket.code})).await?;
        anyhow::Ok(reason)
    };
    let tickets = doors.issue(json!({"class": 1, "name": "Ana"}), 1).await?;
    let ticket = tickets.first().context("no ticket")?;
    let renamed = json!({"name": "Eve", "email": "EVE@example.org", "version": 1});
    let renamed = owner.patch(doors.at(ticket, ""), renamed).await?.expect(200)?;
    assert_eq!((&renamed["name"], &renamed["email"]), (&json!("Eve"), &json!("eve@example.org")));
    let stale = owner.patch(doors.at(ticket, ""), json!({"name": "Bo", "version": 1})).await?;
    stale.refused(412, "tickets.stale")?;
    let blocked = json!({"blocked": "Ask at the desk"});
    owner.patch(doors.at(ticket, ""), blocked).await?.expect(200)?;
    assert_eq!(told(ticket).await?, "blocked");
    owner.patch(doors.at(ticket, ""), json!({"blocked": ""})).await?.expect(200)?;
    let anew = owner.post(doors.at(ticket, "/reissue"), json!({})).await?.expect(200)?;
    assert_eq!((&anew["serial"], &anew["status"]), (&json!(2), &json!("issued")));
    assert_eq!(told(ticket).await?, "reissued");
    let fresh = doors.ticket(&ticket.id).await?;
    let why = json!({"reason": "Charged back"});
    owner.post(doors.at(ticket, "/revoke"), why.clone()).await?.expect(200)?;
    assert_eq!(told(&fresh).await?, "revoked");
    owner.get(doors.at(ticket, "/qr")).await?.refused(409, "tickets.revoked")?;
    let sent = owner.post(doors.at(ticket, "/send"), json!({})).await?;
    sent.refused(409, "tickets.revoked")?;
    owner.post(doors.at(ticket, "/reissue"), json!({})).await?.expect(200)?;
    assert_eq!(told(&fresh).await?, "reissued");
    assert_eq!(told(&doors.ticket(&ticket.id).await?).await?, "ok");
    let audit = owner.get(doors.house.path("/audit")).await?.expect(200)?;
    let acts = audit.to_string();
    assert!(acts.contains("ticket_revoked") && acts.contains("ticket_reissued"), "{acts}");
    Ok(())
}

#[tokio::test]
async fn rules_are_changed_by_whoever_has_seen_them_and_kept_while_they_are_in_use() -> Result<()> {
    let bed = Bed::start(1).await?;
    let mut doors = Doors::open(&bed).await?;
    let owner = doors.house.owner().clone();
    let path = |what: &str, id: &str| doors.house.path(&format!("/{what}/{id}"));
    let rules = owner.get(doors.path("/doors/rules")).await?.expect(200)?;
    let kind = path("ticket-types", &text(&rules, "/types/0/id")?);
    let seen = |version: &'static str| ("If-Match", version);
    let blocked = json!({"name": "Standard", "blocked": "Recalled"});
    let (name, version) = seen("\"1\"");
    owner.put(&kind, blocked.clone()).header(name, version).await?.expect(200)?;
    let stale = owner.put(&kind, blocked).header(name, version).await?;
    stale.refused(412, "tickets.stale")?;
    let scanner = doors.house.member("scanner").await?;
    let ticket = doors.issue(json!({"class": 1}), 1).await?.remove(0);
    let told = async |doors: &Doors| {
        let told = doors.told(scanner.client(), json!({"code": ticket.code})).await?;
        anyhow::Ok(told.1)
    };
    assert_eq!(told(&doors).await?, "blocked");
    owner.put(&kind, json!({"name": "Standard"})).await?.expect(200)?;
    owner.delete(&kind).await?.refused(409, "tickets.in_use")?;
    let hall = doors.add("zones", json!({"name": "Hall", "capacity": 5})).await?;
    let list = json!({"name": "Hall", "zoneId": hall["id"]});
    let made = doors.add("lists", list).await?;
    let (zone, list) = (path("zones", &text(&hall, "/id")?), path("lists", &text(&made, "/id")?));
    owner.delete(&zone).await?.refused(409, "tickets.in_use")?;
    doors.list = text(&made, "/id")?;
    assert_eq!(told(&doors).await?, "ok");
    let less = owner.put(&list, json!({"name": "Nowhere"})).await?.expect(200)?;
    assert_eq!(less.get("zoneId"), None);
    owner.delete(&zone).await?.refused(409, "tickets.in_use")?;
    assert_eq!(owner.delete(&list).await?.status, 204);
    let question = doors.add("questions", json!({"text": "Is the guest 18?"})).await?;
    let asked = path("questions", &text(&question, "/id")?);
    let changed = owner.put(&asked, json!({"text": "Is the guest 21?"})).await?.expect(200)?;
    assert_eq!((&changed["version"], &changed["position"]), (&json!(2), &question["position"]));
    assert_eq!(owner.delete(&asked).await?.status, 204);
    owner.delete(&asked).await?.refused(404, "tickets.not_found")
}
