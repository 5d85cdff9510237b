//! The logins at providers that open an account: listed, unlinked, and never the last way in.

use anyhow::{Context as _, Result};
use serde_json::json;
use testkit::{Answered, Bed, Client};

use crate::accounts_mail::Outbox;
use crate::accounts_oidc::Field;
use crate::sale::text;

const MINE: &str = "/api/v1/auth/logins";

/// Somebody who is known at the provider under two names, with one address.
async fn twice(field: &Field, who: &str) -> Result<(Client, [String; 2])> {
    let mut ids = Vec::new();
    let mut client = field.bed.anyone();
    for name in ["first", "second"] {
        let said = format!("sub={who}-{name}&email={who}@example.org&verified=true");
        let tokens = field.tokens("acme", &said).await?;
        client = field.bed.anyone().with_token(&text(&tokens, "/accessToken")?);
        ids = list(&client).await?;
    }
    let ids = ids.try_into().map_err(|ids| anyhow::anyhow!("not two logins: {ids:?}"))?;
    Ok((client, ids))
}

async fn list(client: &Client) -> Result<Vec<String>> {
    let listed = client.get(MINE).await?.expect(200)?;
    let items = listed["items"].as_array().context("no list")?;
    items.iter().map(|item| text(item, "/id")).collect()
}

async fn unlink(client: &Client, id: &str) -> Result<Answered> {
    client.delete(format!("{MINE}/{id}")).settled().await
}

#[tokio::test]
async fn a_login_is_unlinked_by_its_person_and_the_last_way_in_stays() -> Result<()> {
    let outbox = Outbox::make()?;
    let field = Field::make(outbox.bed()).await?;
    let (ana, [first, second]) = twice(&field, "ana").await?;
    let listed = ana.get(MINE).await?.expect(200)?;
    let oldest = &listed["items"][0];
    assert_eq!((&oldest["provider"], &oldest["id"]), (&json!("acme"), &json!(first)));
    assert_eq!(oldest["email"], "ana@example.org");
    assert!(oldest["linkedAt"].is_string() && oldest.get("subject").is_none(), "{oldest}");

    // Nobody else's, and none that is not there.
    let (eve, _) = twice(&field, "eve").await?;
    unlink(&eve, &first).await?.refused(404, "identity.no_such_login")?;
    let anyone = field.bed.anyone();
    unlink(&anyone, &first).await?.refused(401, "no_token")?;
    assert_eq!(list(&ana).await?.len(), 2, "nothing was unlinked");

    unlink(&ana, &first).await?.expect(204)?;
    unlink(&ana, &first).await?.refused(404, "identity.no_such_login")?;
    outbox.mail("ana@example.org", "No sign-in with acme", 1).await?;
    let refused = unlink(&ana, &second).await?;
    refused.refused(409, "identity.last_login")?;
    assert_eq!(
        list(&ana).await?,
        std::slice::from_ref(&second),
        "the session stays, and the login"
    );
    let log = "select count(*) from log.audit where action = 'login_unlinked'";
    let sql = field.bed.sql().await?;
    assert_eq!(sql.value::<i64>(log, &[]).await?, 1);

    // With a password there is another way in.
    let ask = json!({"email": "ana@example.org"});
    anyone.post("/api/v1/auth/password/reset-request", ask).await?.expect(202)?;
    let token = outbox.token("ana@example.org", "Choose a new password", 1).await?;
    let password = "anas own words, at last";
    let set = json!({"token": token, "password": password});
    anyone.post("/api/v1/auth/password/reset", set).await?.expect(204)?;
    let body = json!({"email": "ana@example.org", "password": password});
    let tokens = anyone.post("/api/v1/auth/login", body).await?.expect(200)?;
    let ana = anyone.with_token(&text(&tokens, "/accessToken")?);
    unlink(&ana, &second).await?.expect(204)?;
    assert!(list(&ana).await?.is_empty());
    // The address is proved on both sides, so whoever has it links the login anew.
    field.tokens("acme", "sub=ana-first&email=ana@example.org&verified=true").await?;
    assert_eq!(list(&ana).await?.len(), 1);
    Ok(())
}

/// Both of the last two logins at the same moment; how many went.
async fn both(field: &Field, who: &str) -> Result<(usize, Vec<Answered>)> {
    let (client, [first, second]) = twice(field, who).await?;
    let other = client.at(1);
    let (one, two) = tokio::try_join!(unlink(&client, &first), unlink(&other, &second))?;
    let answers = vec![one, two];
    let gone = answers.iter().filter(|answer| answer.status == 204).count();
    assert_eq!(list(&client).await?.len(), 2 - gone);
    Ok((gone, answers))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_the_last_two_logins_one_stays() -> Result<()> {
    let field = Field::make(Bed::with()).await?;
    for round in 0..5 {
        let (gone, answers) = both(&field, &format!("ana{round}")).await?;
        assert_eq!(gone, 1);
        let kept = answers.iter().find(|answer| answer.status != 204).context("both went")?;
        kept.refused(409, "identity.last_login")?;
    }
    Ok(())
}

/// The control: without the row lock both go, and nobody gets in any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_lock_both_of_the_last_two_logins_go() -> Result<()> {
    let field = Field::make(Bed::with().env("ROWLOCK_CONTROLS", "row_locks")).await?;
    // A control may be lucky a few times.
    for round in 0..20 {
        if both(&field, &format!("ana{round}")).await?.0 == 2 {
            return Ok(());
        }
    }
    anyhow::bail!("both never went, so the other test proves nothing")
}
