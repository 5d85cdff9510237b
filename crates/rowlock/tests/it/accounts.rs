//! What a person does about their account: passwords, links, sessions, its end.

use anyhow::Result;
use serde_json::json;
use testkit::{Answered, Bed, Client, PATIENCE, Person, wait_until};

use crate::accounts_mail::Outbox;
use crate::sale::text;

pub(crate) const NEW: &str = "herons wait at the weir 7";
const RESET: &str = "Choose a new password";

pub(crate) async fn log_in(anyone: &Client, email: &str, password: &str) -> Result<Answered> {
    let body = json!({"email": email, "password": password});
    let ask = anyone.post("/api/v1/auth/login", body).header("X-Forwarded-For", "10.200.0.7");
    ask.settled().await
}

async fn ask_for_link(bed: &Bed, email: &str) -> Result<()> {
    let asked = bed.anyone().post("/api/v1/auth/password/reset-request", json!({"email": email}));
    let answer = asked.await?;
    assert_eq!((answer.status, answer.text.as_str()), (202, ""));
    Ok(())
}

fn reset(bed: &Bed, token: &str, password: &str) -> testkit::Ask {
    let body = json!({"token": token, "password": password});
    bed.anyone().post("/api/v1/auth/password/reset", body)
}

#[tokio::test]
async fn a_mailed_link_sets_a_new_password_once() -> Result<()> {
    let outbox = Outbox::make()?;
    let bed = outbox.bed().workers(2).start().await?;
    let ana = bed.person().await?;
    ask_for_link(&bed, ana.email()).await?;
    let token = outbox.token(ana.email(), RESET, 1).await?;
    reset(&bed, &token, "passwordpassword").await?.refused(422, "identity.weak_password")?;
    assert_eq!(reset(&bed, &token, NEW).await?.status, 204);
    reset(&bed, &token, NEW).await?.refused(410, "identity.link_over")?;

    log_in(&bed.anyone(), ana.email(), ana.password())
        .await?
        .refused(401, "identity.wrong_password")?;
    log_in(&bed.anyone(), ana.email(), NEW).await?.expect(200)?;
    let old = json!({"refreshToken": ana.refresh_token()});
    bed.anyone().post("/api/v1/auth/refresh", old).await?.refused(401, "identity.session_over")?;
    outbox.mail(ana.email(), "Your password was changed", 1).await?;
    let sql = bed.sql().await?;
    wait_until("the mails' texts are gone", PATIENCE, async || {
        let left = "select count(*) from notify.mail where text is not null";
        Ok((sql.value::<i64>(left, &[]).await? == 0).then_some(()))
    })
    .await?;
    let verified = "select count(*) from identity.user where email_verified_at is not null";
    assert_eq!(sql.value::<i64>(verified, &[]).await?, 1);
    Ok(())
}

#[tokio::test]
async fn two_who_follow_the_same_link_at_once_set_one_password() -> Result<()> {
    let outbox = Outbox::make()?;
    let bed = outbox.bed().workers(2).start().await?;
    let ana = bed.person().await?;
    ask_for_link(&bed, ana.email()).await?;
    let token = outbox.token(ana.email(), RESET, 1).await?;
    let (first, second) = tokio::join!(async { reset(&bed, &token, NEW).await }, async {
        reset(&bed, &token, "badgers dig under oaks 9").await
    },);
    let mut statuses = [first?.status, second?.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 410]);
    Ok(())
}

#[tokio::test]
async fn a_link_that_was_guessed_at_or_is_old_does_not_count() -> Result<()> {
    let outbox = Outbox::make()?;
    let bed = outbox.bed().start().await?;
    let (ana, ben, sql) = (bed.person().await?, bed.person().await?, bed.sql().await?);
    ask_for_link(&bed, ana.email()).await?;
    ask_for_link(&bed, ben.email()).await?;
    let token = outbox.token(ana.email(), RESET, 1).await?;
    let end = if token.ends_with("AAAA") { "BBBB" } else { "AAAA" };
    let guess = format!("{}{end}", &token[..token.len() - 4]);
    for _ in 0..5 {
        reset(&bed, &guess, NEW).await?.refused(410, "identity.link_over")?;
    }
    reset(&bed, &token, NEW).await?.refused(410, "identity.link_over")?;
    let token = outbox.token(ben.email(), RESET, 1).await?;
    sql.run("update identity.reset set expires_at = now() - interval '1 second'").await?;
    reset(&bed, &token, NEW).await?.refused(410, "identity.link_over")?;
    for wrong in ["", "rlp_", "x"] {
        reset(&bed, wrong, NEW).await?.refused(410, "identity.link_over")?;
    }
    log_in(&bed.anyone(), ana.email(), ana.password()).await?.expect(200)?;
    Ok(())
}

#[tokio::test]
async fn an_account_is_mailed_three_links_an_hour() -> Result<()> {
    let outbox = Outbox::make()?;
    let bed = outbox.bed().start().await?;
    let (ana, ben) = (bed.person().await?, bed.person().await?);
    for _ in 0..5 {
        ask_for_link(&bed, ana.email()).await?;
    }
    ask_for_link(&bed, ben.email()).await?;
    outbox.mail(ben.email(), RESET, 1).await?;
    outbox.mail(ana.email(), RESET, 3).await?;
    assert_eq!(outbox.mails(ana.email(), RESET)?.len(), 3);
    Ok(())
}

#[tokio::test]
async fn changing_the_password_ends_the_other_sessions() -> Result<()> {
    let outbox = Outbox::make()?;
    let bed = outbox.bed().start().await?;
    let ana = bed.person().await?;
    let other = ana.sign_in().await?;
    let change = |present: &str| {
        let body = json!({"present": present, "password": NEW});
        ana.post("/api/v1/auth/password", body)
    };
    change("not the right one 42").await?.refused(403, "identity.present_password_wrong")?;
    other.get("/api/v1/auth/me").await?.expect(200)?;
    assert_eq!(change(ana.password()).await?.status, 204);
    ana.get("/api/v1/auth/me").await?.expect(200)?;
    other.get("/api/v1/auth/me").await?.refused(401, "token_revoked")?;
    log_in(&bed.anyone(), ana.email(), NEW).await?.expect(200)?;
    Ok(())
}

#[tokio::test]
async fn sessions_are_listed_and_ended() -> Result<()> {
    let bed = Bed::start(1).await?;
    let (ana, ben) = (bed.person().await?, bed.person().await?);
    let (second, third) = (ana.sign_in().await?, ana.sign_in().await?);
    let list = async |who: &Person| who.get("/api/v1/auth/sessions").await?.expect(200);
    let seen = list(&second).await?;
    let items = seen["items"].as_array().cloned().unwrap_or_default();
    assert_eq!(items.len(), 3);
    let present: Vec<bool> = items.iter().map(|one| one["present"] == true).collect();
    assert_eq!(present, [false, true, false], "in the order in which they were opened");

    let path = format!("/api/v1/auth/sessions/{}", text(&items[0], "/id")?);
    ben.delete(&path).await?.refused(404, "identity.no_such_session")?;
    ana.get("/api/v1/auth/me").await?.expect(200)?;
    assert_eq!(second.delete(&path).await?.status, 204);
    ana.get("/api/v1/auth/me").await?.refused(401, "token_revoked")?;
    second.delete(&path).await?.refused(404, "identity.no_such_session")?;
    assert_eq!(third.post("/api/v1/auth/sessions/end-others", json!({})).await?.status, 204);
    second.get("/api/v1/auth/me").await?.refused(401, "token_revoked")?;
    assert_eq!(list(&third).await?["items"].as_array().map(Vec::len), Some(1));
    Ok(())
}

#[tokio::test]
async fn an_account_ends_and_begins_again_by_its_person() -> Result<()> {
    let bed = Bed::start(1).await?;
    let (house, ana, sql) = (bed.house().await?, bed.person().await?, bed.sql().await?);
    let end = |who: &Person, password: &str| {
        who.post("/api/v1/auth/deactivate", json!({"password": password}))
    };
    let owner = house.owner();
    end(owner, owner.password()).await?.refused(409, "identity.last_owner")?;
    end(&ana, "not the right one 42").await?.refused(403, "identity.present_password_wrong")?;
    assert_eq!(end(&ana, ana.password()).await?.status, 204);
    ana.get("/api/v1/auth/me").await?.refused(401, "token_revoked")?;
    let anyone = bed.anyone();
    log_in(&anyone, ana.email(), ana.password()).await?.refused(401, "identity.wrong_password")?;
    let again = |password: &str| {
        let body = json!({"email": ana.email(), "password": password});
        anyone.post("/api/v1/auth/reactivate", body)
    };
    again("not the right one 42").await?.refused(401, "identity.wrong_password")?;
    let tokens = again(ana.password()).await?.expect(200)?;
    let back = anyone.with_token(&text(&tokens, "/accessToken")?);
    back.get("/api/v1/auth/me").await?.expect(200)?;
    // What the operator ends only the operator begins again.
    sql.run("update identity.user set active = false, deactivated_by = 'operator'").await?;
    again(ana.password()).await?.refused(401, "identity.wrong_password")?;
    Ok(())
}

#[tokio::test]
async fn an_owner_leaves_when_another_one_stays() -> Result<()> {
    let bed = Bed::start(1).await?;
    let house = bed.house().await?;
    let second = house.member("owner").await?;
    let end =
        |who: &Person| who.post("/api/v1/auth/deactivate", json!({"password": who.password()}));
    assert_eq!(end(house.owner()).await?.status, 204);
    // A deactivated owner is none: the other one is the last.
    end(&second).await?.refused(409, "identity.last_owner")?;
    let members = second.get(house.path("/members")).await?.expect(200)?;
    let mut all = members["items"].as_array().into_iter().flatten();
    let own = all.find(|member| member["email"] == second.email()).cloned();
    let path = house.path(&format!("/members/{}", text(&own.unwrap_or_default(), "/id")?));
    second.delete(path).await?.refused(409, "identity.last_owner")?;
    Ok(())
}

#[tokio::test]
async fn one_user_owns_a_bounded_number_of_venues() -> Result<()> {
    let bed = Bed::start(1).await?;
    let ana = bed.person().await?;
    let open = || {
        let body = json!({"name": "A", "timeZone": "Europe/Lisbon", "currency": "EUR"});
        ana.post("/api/v1/venues", body)
    };
    for _ in 0..50 {
        open().settled().await?.expect(201)?;
    }
    open().settled().await?.refused(409, "identity.too_many_venues")?;
    Ok(())
}

#[tokio::test]
async fn mails_wait_where_nobody_sends_them() -> Result<()> {
    let bed = Bed::start(1).await?;
    let ana = bed.person().await?;
    ask_for_link(&bed, ana.email()).await?;
    let health = bed.anyone().get("/health").await?.expect(200)?;
    assert_eq!((&health["mail"]["by"], &health["mail"]["queued"]), (&json!("nobody"), &json!(1)));
    testkit::prepare_all(&notify::store::all()).await
}
