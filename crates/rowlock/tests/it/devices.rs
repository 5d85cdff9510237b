//! Devices: paired by a code, approved by a person, known by their own key, revoked at once.

use std::time::Duration;

use anyhow::{Context as _, Result};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use testkit::{Answered, Bed, Client, Heard, House, PATIENCE, Socket, wait_until};

use crate::sale::{Sale, blocks, text};

/// A device of `house` that waits for approval, and a code that nobody has used.
pub(crate) async fn paired(bed: &Bed, house: &House) -> Result<()> {
    code(house, "kiosk").await?;
    Device::pair(bed, house, "scanner").await.map(drop)
}

/// A device with its key.
pub(crate) struct Device {
    key: Ed25519KeyPair,
    venue: String,
    pub(crate) id: String,
    json: Value,
}

async fn code(house: &House, profile: &str) -> Result<Value> {
    let body = json!({"profile": profile});
    house.owner().post(house.path("/devices/pairings"), body).await?.expect(201)
}

fn key() -> Result<Ed25519KeyPair> {
    Ed25519KeyPair::generate().ok().context("no key can be made")
}

fn pairing(code: &str, key: &Ed25519KeyPair) -> Value {
    json!({"code": code, "publicKey": STANDARD.encode(key.public_key().as_ref()),
        "name": "Ana's phone", "model": "Test 1"})
}

impl Device {
    /// Paired, and not yet approved.
    pub(crate) async fn pair(bed: &Bed, house: &House, profile: &str) -> Result<Self> {
        let (code, key) = (text(&code(house, profile).await?, "/code")?, key()?);
        let body = pairing(&code, &key);
        let paired = bed.anyone().post("/api/v1/devices/pair", body).await?.expect(201)?;
        let (venue, id) = (text(&paired, "/venueId")?, text(&paired, "/device/id")?);
        Ok(Self { key, venue, id, json: paired.get("device").cloned().unwrap_or_default() })
    }

    pub(crate) async fn approved(bed: &Bed, house: &House, profile: &str) -> Result<Self> {
        let device = Self::pair(bed, house, profile).await?;
        device.act(house, "approve").await?.expect(200)?;
        Ok(device)
    }

    /// The owner does something with it.
    pub(crate) async fn act(&self, house: &House, verb: &str) -> Result<Answered> {
        let body = match verb {
            "approve" => json!({"fingerprint": self.json.get("fingerprint")}),
            _ => json!({}),
        };
        house.owner().post(house.path(&format!("/devices/{}/{verb}", self.id)), body).await
    }

    async fn challenge(&self, bed: &Bed) -> Result<String> {
        let body = json!({"venueId": self.venue, "deviceId": self.id});
        let answer = bed.anyone().post("/api/v1/devices/challenge", body).await?;
        text(&answer.expect(200)?, "/nonce")
    }

    fn proof(&self, key: &Ed25519KeyPair, nonce: &str) -> Value {
        let time = "2026-09-02T06:03:11.039837Z";
        let signed =
            format!("rowlock-device-token-v1\n{}\n{}\n{nonce}\n{time}", self.venue, self.id);
        json!({"venueId": self.venue, "deviceId": self.id, "nonce": nonce, "time": time,
            "signature": STANDARD.encode(key.sign(signed.as_bytes()))})
    }

    pub(crate) async fn token(&self, bed: &Bed) -> Result<Answered> {
        let nonce = self.challenge(bed).await?;
        bed.anyone().post("/api/v1/devices/token", self.proof(&self.key, &nonce)).await
    }

    pub(crate) async fn signed_in(&self, bed: &Bed) -> Result<Client> {
        let token = self.token(bed).await?.expect(200)?;
        Ok(bed.anyone().with_token(&text(&token, "/accessToken")?))
    }
}

#[tokio::test]
async fn a_device_is_paired_approved_and_signs_in_with_its_key() -> Result<()> {
    let bed = Bed::start(2).await?;
    let house = bed.house().await?;
    let made = code(&house, "scanner").await?;
    let png = STANDARD.decode(text(&made, "/png")?)?;
    assert!(png.starts_with(b"\x89PNG") && text(&made, "/svg")?.starts_with("<svg"));
    let (code, key) = (text(&made, "/code")?, key()?);
    let body = pairing(&code.to_lowercase(), &key);
    let paired = bed.anyone().post("/api/v1/devices/pair", body.clone()).await?.expect(201)?;
    assert_eq!(paired["device"]["status"], "pending");
    bed.anyone().post("/api/v1/devices/pair", body).await?.refused(422, "identity.no_such_code")?;
    let (venue, id) = (text(&paired, "/venueId")?, text(&paired, "/device/id")?);
    let device = Device { key, venue, id, json: paired["device"].clone() };

    device.token(&bed).await?.refused(409, "identity.device_pending")?;
    let wrong = json!({"fingerprint": "00000 00000 00000 00000"});
    let approve = house.path(&format!("/devices/{}/approve", device.id));
    house.owner().post(&approve, wrong).await?.refused(422, "identity.other_fingerprint")?;
    device.act(&house, "approve").await?.expect(200)?;
    let token = device.token(&bed).await?.expect(200)?;
    assert_eq!(token["device"]["status"], "approved");

    let client = bed.anyone().with_token(&text(&token, "/accessToken")?);
    client.get(house.path("")).await?.expect(200)?;
    let report = json!({"appVersion": "2.4.1", "battery": 81, "queueLength": 3});
    let status = house.path("/devices/me/status");
    client.post(&status, report).await?.expect(200)?;
    house.owner().post(&status, json!({})).await?.refused(403, "forbidden")?;
    let listed = house.owner().get(house.path("/devices")).await?.expect(200)?;
    let shown = &listed["items"][0];
    assert_eq!((&shown["battery"], &shown["queueLength"]), (&json!(81), &json!(3)));
    assert!(shown["seenAt"].is_string());
    Ok(())
}

#[tokio::test]
async fn a_device_may_what_its_profile_says_and_nothing_more() -> Result<()> {
    let bed = Bed::start(1).await?;
    let (sale, other) = (Sale::of(bed.house().await?, blocks(1, 4)).await?, bed.house().await?);
    let house = &sale.house;
    let scanner = Device::approved(&bed, house, "scanner").await?.signed_in(&bed).await?;
    let till = Device::approved(&bed, house, "till").await?.signed_in(&bed).await?;
    sale.hold(&scanner, &["T1-1"]).await?.refused(403, "forbidden")?;
    sale.hold(&till, &["T1-1"]).await?.expect(201)?;
    for client in [&scanner, &till] {
        client.get(house.path("/members")).await?.refused(403, "forbidden")?;
        client.get(house.path("/audit")).await?.refused(403, "forbidden")?;
        client.get(other.path("")).await?.refused(404, "no_such_path")?;
        // What the person who vouches for it may do for themselves, the device may not.
        client.get("/api/v1/auth/me").await?.refused(403, "forbidden")?;
        client.get("/api/v1/me/export").await?.refused(403, "forbidden")?;
        let venue = json!({"name": "Mine", "timeZone": "Europe/Lisbon", "currency": "EUR"});
        client.post("/api/v1/venues", venue).await?.refused(403, "forbidden")?;
    }
    Ok(())
}

#[tokio::test]
async fn only_a_fresh_answer_with_the_right_key_counts() -> Result<()> {
    let bed = Bed::start(2).await?;
    let house = bed.house().await?;
    let device = Device::approved(&bed, &house, "scanner").await?;
    let post = |body: Value| bed.anyone().post("/api/v1/devices/token", body);
    let nonce = device.challenge(&bed).await?;
    post(device.proof(&key()?, &nonce)).await?.refused(401, "identity.wrong_proof")?;
    let mut later = device.proof(&device.key, &nonce);
    later["time"] = json!("2026-09-02T06:03:12.000000Z");
    post(later).await?.refused(401, "identity.wrong_proof")?;
    post(device.proof(&device.key, "AAAA")).await?.refused(401, "identity.wrong_proof")?;
    let right = device.proof(&device.key, &nonce);
    post(right.clone()).await?.expect(200)?;
    post(right).await?.refused(401, "identity.wrong_proof")?;
    // Another device of the same venue cannot answer for it.
    let other = Device::approved(&bed, &house, "scanner").await?;
    let foreign = other.proof(&other.key, &device.challenge(&bed).await?);
    post(foreign).await?.refused(401, "identity.wrong_proof")?;
    // Too late by the database's clock.
    let nonce = device.challenge(&bed).await?;
    let sql = bed.sql().await?;
    sql.run("update identity.device set answered_at = now() + interval '1 hour'").await?;
    post(device.proof(&device.key, &nonce)).await?.refused(401, "identity.wrong_proof")?;
    Ok(())
}

#[tokio::test]
async fn a_revoked_device_falls_silent_at_once() -> Result<()> {
    let bed = Bed::start(2).await?;
    let house = bed.house().await?;
    let device = Device::approved(&bed, &house, "till").await?;
    let client = device.signed_in(&bed).await?;
    let mut socket = Socket::open(&bed.worker(1)?.address(), client.token()).await?;
    socket.listen(house.venue(), &["seats", "shows"], None).await?;
    device.act(&house, "revoke").await?.expect(200)?;
    wait_until("its socket is closed", PATIENCE, async || {
        let heard = socket.hear(Duration::from_secs(1)).await?;
        Ok(matches!(heard, Some(Heard::Closed(..))).then_some(()))
    })
    .await?;
    let report = house.path("/devices/me/status");
    // By its session, or where that word has not come yet by what the write itself reads.
    assert_eq!(client.post(report, json!({"battery": 1})).await?.status, 401);
    device.token(&bed).await?.refused(409, "identity.device_revoked")?;
    device.act(&house, "approve").await?.refused(409, "identity.device_revoked")?;
    let found = house.owner().get(house.path("/audit?entity=device")).await?.expect(200)?;
    let actions: Vec<&Value> =
        found["items"].as_array().into_iter().flatten().map(|entry| &entry["action"]).collect();
    assert_eq!(actions, ["device_revoked", "device_approved", "device_paired"]);
    Ok(())
}

#[tokio::test]
async fn a_device_may_no_more_than_whoever_vouches_for_it() -> Result<()> {
    let bed = Bed::start(1).await?;
    let house = bed.house().await?;
    let manager = house.member("manager").await?;
    let device = Device::pair(&bed, &house, "scanner").await?;
    let approve = house.path(&format!("/devices/{}/approve", device.id));
    let digits = json!({"fingerprint": device.json["fingerprint"]});
    manager.post(&approve, digits).await?.expect(200)?;
    let client = device.signed_in(&bed).await?;
    let report = || client.post(house.path("/devices/me/status"), json!({"battery": 50}));
    report().await?.expect(200)?;
    let members = house.owner().get(house.path("/members")).await?.expect(200)?;
    let place = members["items"].as_array().into_iter().flatten();
    let place = place.into_iter().find(|member| member["email"] == manager.email());
    let place = text(place.context("the manager is a member")?, "/id")?;
    let role = json!({"role": "host"});
    house.owner().patch(house.path(&format!("/members/{place}")), role).await?.expect(200)?;
    report().await?.refused(401, "user_gone")?;
    device.token(&bed).await?.refused(409, "identity.device_pending")?;
    device.act(&house, "approve").await?.expect(200)?;
    let again = device.signed_in(&bed).await?;
    again.post(house.path("/devices/me/status"), json!({"battery": 49})).await?.expect(200)?;
    Ok(())
}

#[tokio::test]
async fn a_code_is_good_for_ten_minutes() -> Result<()> {
    let bed = Bed::start(1).await?;
    let house = bed.house().await?;
    let code = text(&code(&house, "kiosk").await?, "/code")?;
    let sql = bed.sql().await?;
    let kept: String = sql
        .value(
            "select string_agg(p::text, '') || (select coalesce(string_agg(answer, ''), '') \
                from log.once) from identity.device_pairing p",
            &[],
        )
        .await?;
    assert!(!kept.contains(&code), "the code is nowhere in the database");
    sql.run("update identity.device_pairing set expires_at = now()").await?;
    let body = pairing(&code, &key()?);
    let pair = || bed.anyone().post("/api/v1/devices/pair", body.clone());
    pair().await?.refused(422, "identity.no_such_code")?;
    // The control: the same code, in time.
    sql.run("update identity.device_pairing set expires_at = now() + interval '1 minute'").await?;
    wait_until("it is paired", PATIENCE, async || Ok((pair().await?.status == 201).then_some(())))
        .await
}
