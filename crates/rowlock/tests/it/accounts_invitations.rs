//! Invitations: a mailed link gives a role.

use anyhow::Result;
use serde_json::{Value, json};
use testkit::{Answered, Bed, House};

use crate::accounts::{NEW, log_in};
use crate::accounts_mail::Outbox;
use crate::sale::text;

const SUBJECT: &str = "Invitation to Teatro Aurora";

async fn invite(house: &House, email: &str, role: &str) -> Result<Answered> {
    let body = json!({"email": email, "role": role});
    house.owner().post(house.path("/members"), body).await
}

async fn accept(bed: &Bed, token: &str) -> Result<Answered> {
    let body = json!({"token": token, "name": "Eva", "password": NEW});
    bed.anyone().post("/api/v1/auth/invitations/accept", body).await
}

async fn open(house: &House) -> Result<Vec<Value>> {
    let list = house.owner().get(house.path("/invitations")).await?.expect(200)?;
    Ok(list.pointer("/items").and_then(Value::as_array).cloned().unwrap_or_default())
}

#[tokio::test]
async fn an_invitation_makes_an_account_with_a_role() -> Result<()> {
    let outbox = Outbox::make()?;
    let bed = outbox.bed().workers(2).start().await?;
    let house = bed.house().await?;
    let invitation = invite(&house, "Eva@example.org", "box_office").await?.expect(202)?;
    assert_eq!(invitation["email"], "eva@example.org");
    assert_eq!(open(&house).await?, [invitation]);
    let token = outbox.token("eva@example.org", SUBJECT, 1).await?;
    let tokens = accept(&bed, &token).await?.expect(201)?;
    let eva = bed.anyone().with_token(&text(&tokens, "/accessToken")?);
    let me = eva.get("/api/v1/auth/me").await?.expect(200)?;
    assert_eq!(me["memberships"][0]["role"], "box_office");
    eva.get(house.path("/bookings")).await?.expect(200)?;
    accept(&bed, &token).await?.refused(410, "identity.link_over")?;
    assert_eq!(open(&house).await?.len(), 0);
    log_in(&bed.anyone(), "eva@example.org", NEW).await?.expect(200)?;
    Ok(())
}

#[tokio::test]
async fn where_registration_is_closed_only_invitations_make_accounts() -> Result<()> {
    let outbox = Outbox::make()?;
    let bed = outbox.bed().env("REGISTRATION", "closed").start().await?;
    let register = json!({"name": "Ben", "email": "ben@example.org", "password": NEW});
    let refused = bed.anyone().post("/api/v1/auth/register", register).await?;
    refused.refused(403, "identity.registration_closed")?;
    // The first owner is made by hand, like `rowlock admin` does.
    let (owner, venue) = (uuid::Uuid::new_v4(), uuid::Uuid::new_v4());
    bed.sql().await?.run(&first_owner(owner, venue)).await?;
    let house = bed.anyone();
    let asked = json!({"email": "ana@example.org"});
    house.post("/api/v1/auth/password/reset-request", asked).await?;
    let link = outbox.token("ana@example.org", "Choose a new password", 1).await?;
    let reset = json!({"token": link, "password": NEW});
    assert_eq!(house.post("/api/v1/auth/password/reset", reset).await?.status, 204);
    let tokens = log_in(&house, "ana@example.org", NEW).await?.expect(200)?;
    let owner = house.with_token(&text(&tokens, "/accessToken")?);
    let body = json!({"email": "eva@example.org", "role": "host"});
    owner.post(format!("/api/v1/venues/{venue}/members"), body).await?.expect(202)?;
    let token = outbox.token("eva@example.org", SUBJECT, 1).await?;
    accept(&bed, &token).await?.expect(201)?;
    Ok(())
}

fn first_owner(owner: uuid::Uuid, venue: uuid::Uuid) -> String {
    format!(
        "insert into identity.user (id, email, name, created_at)
            values ('{owner}', 'ana@example.org', 'Ana', now());
        insert into identity.venue (venue_id, name, time_zone, currency, created_at)
            values ('{venue}', 'Teatro Aurora', 'Europe/Lisbon', 'EUR', now());
        insert into identity.member (venue_id, id, user_id, role, created_at)
            values ('{venue}', gen_random_uuid(), '{owner}', 'owner', now());
        insert into log.venue_head (venue_id) values ('{venue}');"
    )
}

#[tokio::test]
async fn whoever_has_an_account_takes_the_invitation_with_it() -> Result<()> {
    let outbox = Outbox::make()?;
    let bed = outbox.bed().start().await?;
    let house = bed.house().await?;
    invite(&house, "eva@example.org", "host").await?.expect(202)?;
    let token = outbox.token("eva@example.org", SUBJECT, 1).await?;
    let register = json!({"name": "Eva", "email": "eva@example.org", "password": NEW});
    let tokens = bed.anyone().post("/api/v1/auth/register", register).await?.expect(201)?;
    let eva = bed.anyone().with_token(&text(&tokens, "/accessToken")?);
    accept(&bed, &token).await?.refused(409, "identity.email_taken")?;
    let take = json!({"token": token});
    let path = "/api/v1/auth/invitations/take";
    let other = bed.person().await?;
    other.post(path, take.clone()).await?.refused(403, "identity.other_address")?;
    let member = eva.post(path, take.clone()).await?.expect(200)?;
    assert_eq!(member["role"], "host");
    eva.post(path, take).await?.refused(410, "identity.link_over")?;
    eva.get(house.path("/bookings")).await?.expect(200)?;
    Ok(())
}

#[tokio::test]
async fn a_withdrawn_or_replaced_invitation_does_not_count() -> Result<()> {
    let outbox = Outbox::make()?;
    let bed = outbox.bed().start().await?;
    let (house, sql) = (bed.house().await?, bed.sql().await?);
    invite(&house, "eva@example.org", "host").await?.expect(202)?;
    invite(&house, "eva@example.org", "host").await?.refused(429, "identity.too_many_attempts")?;
    let first = outbox.token("eva@example.org", SUBJECT, 1).await?;
    sql.run("update identity.invitation set created_at = now() - interval '2 minutes'").await?;
    let second = invite(&house, "eva@example.org", "scanner").await?.expect(202)?;
    accept(&bed, &first).await?.refused(410, "identity.link_over")?;
    let token = outbox.token("eva@example.org", SUBJECT, 2).await?;
    let path = house.path(&format!("/invitations/{}", text(&second, "/id")?));
    let stranger = bed.house().await?;
    let foreign = stranger.path(&format!("/invitations/{}", text(&second, "/id")?));
    stranger.owner().delete(foreign).await?.refused(404, "identity.no_such_invitation")?;
    assert_eq!(house.owner().delete(&path).await?.status, 204);
    house.owner().delete(&path).await?.refused(404, "identity.no_such_invitation")?;
    accept(&bed, &token).await?.refused(410, "identity.link_over")?;
    Ok(())
}

#[tokio::test]
async fn nobody_invites_above_their_own_role() -> Result<()> {
    let outbox = Outbox::make()?;
    let bed = outbox.bed().start().await?;
    let house = bed.house().await?;
    let (manager, host) = (house.member("manager").await?, house.member("host").await?);
    let body = |role: &str| json!({"email": "eva@example.org", "role": role});
    let members = house.path("/members");
    manager.post(&members, body("owner")).await?.refused(403, "identity.above_own_role")?;
    host.post(&members, body("host")).await?.refused(403, "forbidden")?;
    assert_eq!(open(&house).await?.len(), 0);
    let owner = invite(&house, "eva@example.org", "owner").await?.expect(202)?;
    let path = house.path(&format!("/invitations/{}", text(&owner, "/id")?));
    manager.delete(path).await?.refused(403, "identity.above_own_role")?;
    Ok(())
}
