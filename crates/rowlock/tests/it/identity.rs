//! Signing in, and what a role is worth at once.

use anyhow::Result;
use serde_json::json;
use testkit::Bed;

use crate::sale::{Sale, blocks, text};

#[tokio::test]
async fn a_person_signs_in_refreshes_and_signs_out() -> Result<()> {
    let bed = Bed::start(2).await?;
    let ana = bed.person().await?;
    let me = ana.get("/api/v1/auth/me").await?.expect(200)?;
    assert_eq!(text(&me, "/user/email")?, ana.email());
    let wrong = json!({"email": ana.email(), "password": "not the right one 42"});
    let refused = bed.anyone().post("/api/v1/auth/login", wrong).await?;
    refused.refused(401, "identity.wrong_password")?;
    let nobody = json!({"email": "nobody@example.org", "password": "not the right one 42"});
    let unknown = bed.anyone().post("/api/v1/auth/login", nobody).await?;
    unknown.refused(401, "identity.wrong_password")?;

    let refresh =
        |token: &str| bed.anyone().post("/api/v1/auth/refresh", json!({"refreshToken": token}));
    let next = refresh(ana.refresh_token()).await?.expect(200)?;
    let fresh = ana.with_token(&text(&next, "/accessToken")?);
    fresh.get("/api/v1/auth/me").await?.expect(200)?;
    let out = fresh.post("/api/v1/auth/logout", json!({})).await?;
    assert!(out.status < 300, "{}", out.text);
    refresh(&text(&next, "/refreshToken")?).await?.refused(401, "identity.session_over")?;
    Ok(())
}

#[tokio::test]
async fn a_weak_password_and_a_taken_address_are_refused() -> Result<()> {
    let bed = Bed::start(1).await?;
    let ana = bed.person().await?;
    let register = |email: &str, password: &str| {
        let body = json!({"name": "Ben", "email": email, "password": password});
        bed.anyone().post("/api/v1/auth/register", body)
    };
    assert_eq!(register("ben@example.org", "short").await?.status, 422);
    register(ana.email(), ana.password()).await?.refused(409, "identity.email_taken")?;
    Ok(())
}

#[tokio::test]
async fn a_role_counts_at_once_and_its_loss_too() -> Result<()> {
    let bed = Bed::start(2).await?;
    let sale = Sale::of(bed.house().await?, blocks(1, 4)).await?;
    let (ben, owner) = (bed.person().await?, sale.house.owner());
    let withhold = || ben.post(sale.path("/withhold"), json!({"seats": ["T1-1"]}));
    withhold().await?.refused(404, "no_such_path")?;
    let place = json!({"email": ben.email(), "role": "host"});
    let member = owner.post(sale.house.path("/members"), place).await?.expect(201)?;
    withhold().await?.refused(403, "forbidden")?;
    let path = sale.house.path(&format!("/members/{}", text(&member, "/id")?));
    owner.patch(&path, json!({"role": "box_office"})).await?.expect(200)?;
    // The token was made before there was any role.
    withhold().await?.expect(200)?;
    let signed_in = ben.sign_in().await?;
    assert!(owner.delete(&path).await?.status < 300);
    // Its token still says box office; the write looks again.
    let late = signed_in.post(sale.path("/withhold"), json!({"seats": ["T1-2"]})).await?;
    assert!([403, 404].contains(&late.status), "{}", late.text);
    assert_eq!(sale.map(owner).await?.seats["T1-2"], "free");
    Ok(())
}

#[tokio::test]
async fn the_last_owner_stays() -> Result<()> {
    let bed = Bed::start(1).await?;
    let house = bed.house().await?;
    let members = house.owner().get(house.path("/members")).await?.expect(200)?;
    let path = house.path(&format!("/members/{}", text(&members, "/items/0/id")?));
    house.owner().delete(&path).await?.refused(409, "identity.last_owner")?;
    let manager = house.member("manager").await?;
    manager.patch(&path, json!({"role": "host"})).await?.refused(403, "identity.above_own_role")?;
    Ok(())
}
