//! Signing in at a provider: real providers, and every way to cheat with one.

use std::collections::HashMap;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use testkit::{Answered, Bed, BedOptions, Browser, PATIENCE, oidc, wait_until};

use crate::accounts_mail::Outbox;

/// Where the API and the app are, as far as browsers know.
const API: &str = "https://api.example.org";
const APP: &str = "https://app.example.org/signed-in";
/// RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// Workers that know two providers.
pub(crate) struct Field {
    pub(crate) bed: Bed,
    _providers: oidc::Providers,
}

impl Field {
    pub(crate) async fn make(options: BedOptions) -> Result<Self> {
        let names = ["acme", "umbrella"];
        let log = std::env::temp_dir().join(format!("rowlock-oidc-{}.log", uuid::Uuid::new_v4()));
        let providers = oidc::Providers::start(&names, API, &log)?;
        let mut options = options
            .workers(2)
            .env("OIDC_PROVIDERS", "acme,umbrella,gone")
            .env("OIDC_GONE_ISSUER", "http://127.0.0.1:1")
            .env("OIDC_GONE_CLIENT_ID", "rowlock")
            .env("OIDC_UMBRELLA_DOMAINS", "umbrella.example")
            .env("OIDC_RETURN_URLS", &format!("{APP},com.example.app:/signed-in"))
            .env("API_URL", API)
            .env("SIGN_INS_PER_MINUTE", "1000");
        for name in names {
            let issuer = providers.issuer(name).context("no issuer")?;
            let variable = |what: &str| format!("OIDC_{}_{what}", name.to_uppercase());
            options = options
                .env(&variable("ISSUER"), &issuer)
                .env(&variable("CLIENT_ID"), oidc::CLIENT.0)
                .env(&variable("CLIENT_SECRET"), oidc::CLIENT.1);
        }
        Ok(Self { bed: options.start().await?, _providers: providers })
    }

    fn browser(&self) -> Result<Browser> {
        Browser::new("10.9.8.7", API, &self.bed.worker(0)?.base())
    }

    /// From the button to where the provider sends the browser back to.
    async fn callback(&self, browser: &Browser, provider: &str, who: &str) -> Result<String> {
        let start = format!("{API}/api/v1/auth/oidc/{provider}/start?challenge={CHALLENGE}");
        let there = on_to(browser, &start).await?;
        let page = on_to(browser, &there).await?;
        // Whoever is signed in there is not asked again.
        if page.starts_with(API) {
            return Ok(page);
        }
        let said = on_to(browser, &format!("{page}?{who}")).await?;
        if said.starts_with(API) { Ok(said) } else { on_to(browser, &said).await }
    }

    /// What stands behind the `#` of the address that the browser ends at.
    async fn told(&self, provider: &str, who: &str) -> Result<HashMap<String, String>> {
        let browser = self.browser()?;
        let callback = self.callback(&browser, provider, who).await?;
        told(&on_to(&browser, &callback).await?)
    }

    async fn exchange(&self, code: &str, verifier: &str) -> Result<Answered> {
        let body = json!({"code": code, "verifier": verifier});
        self.bed.anyone().post("/api/v1/auth/oidc/exchange", body).await
    }

    /// The tokens of somebody who signs in.
    pub(crate) async fn tokens(&self, provider: &str, who: &str) -> Result<Value> {
        let told = self.told(provider, who).await?;
        let code = told.get("code").with_context(|| format!("no code: {told:?}"))?;
        self.exchange(code, VERIFIER).await?.expect(200)
    }

    async fn error(&self, provider: &str, who: &str) -> Result<String> {
        let told = self.told(provider, who).await?;
        told.get("error").cloned().with_context(|| format!("no error: {told:?}"))
    }

    async fn users(&self) -> Result<i64> {
        self.bed.sql().await?.value("select count(*) from identity.user", &[]).await
    }
}

async fn on_to(browser: &Browser, url: &str) -> Result<String> {
    let landed = browser.get(url).await?;
    landed.on_to.clone().with_context(|| format!("{url} leads nowhere: {landed:?}"))
}

fn told(url: &str) -> Result<HashMap<String, String>> {
    let (to, told) = url.split_once('#').context("nothing behind a #")?;
    ensure!(to == APP, "back at {to}");
    let pairs = told.split('&').filter_map(|pair| pair.split_once('='));
    Ok(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

fn user(tokens: &Value) -> &str {
    tokens.pointer("/user/id").and_then(Value::as_str).unwrap_or_default()
}

const ANA: &str = "sub=ana&email=ana@example.org&verified=true&name=Ana";

#[tokio::test]
async fn a_person_signs_in_with_a_provider() -> Result<()> {
    let field = Field::make(Bed::with()).await?;
    let listed = field.bed.anyone().get("/api/v1/auth/oidc").await?.expect(200)?;
    assert_eq!(listed.pointer("/items/0/id"), Some(&json!("acme")));
    let first = field.tokens("acme", ANA).await?;
    let token = first.pointer("/accessToken").and_then(Value::as_str).context("no token")?;
    let me = field.bed.anyone().with_token(token).get("/api/v1/auth/me").await?.expect(200)?;
    assert_eq!(me.pointer("/user/email"), Some(&json!("ana@example.org")));
    assert_eq!(me.pointer("/user/name"), Some(&json!("Ana")));
    // The same person again, by another address now: it is the same account.
    let again = "sub=ana&email=ana.lopes@example.org&verified=false";
    assert_eq!(user(&field.tokens("acme", again).await?), user(&first));
    // The same name at another provider is somebody else.
    let other = "sub=ana&email=ana@umbrella.example&verified=true";
    assert_ne!(user(&field.tokens("umbrella", other).await?), user(&first));
    assert_eq!(field.users().await?, 2);
    Ok(())
}

#[tokio::test]
async fn the_code_is_good_once_and_only_for_whom_it_was_given_to() -> Result<()> {
    let field = Field::make(Bed::with()).await?;
    let code = field.told("acme", ANA).await?.remove("code").context("no code")?;
    field.exchange(&code, VERIFIER).await?.expect(200)?;
    field.exchange(&code, VERIFIER).await?.refused(410, "identity.code_over")?;
    // Stolen on its way: a wrong verifier voids it.
    let stolen = field.told("acme", ANA).await?.remove("code").context("no code")?;
    let guess = "A".repeat(43);
    field.exchange(&stolen, &guess).await?.refused(410, "identity.code_over")?;
    field.exchange(&stolen, VERIFIER).await?.refused(410, "identity.code_over")?;
    // Twenty at once: one gets the tokens.
    let code = field.told("acme", ANA).await?.remove("code").context("no code")?;
    let tries = (0..20).map(|_| field.exchange(&code, VERIFIER));
    let answers = futures_util::future::try_join_all(tries).await?;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    // Too late.
    let code = field.told("acme", ANA).await?.remove("code").context("no code")?;
    let late = "update identity.oidc_flow set expires_at = now() - interval '1 second'";
    field.bed.sql().await?.run(late).await?;
    field.exchange(&code, VERIFIER).await?.refused(410, "identity.code_over")?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_lock_a_code_is_exchanged_more_than_once() -> Result<()> {
    let field = Field::make(Bed::with().env("ROWLOCK_CONTROLS", "row_locks")).await?;
    // A control may be lucky once.
    for _ in 0..5 {
        let code = field.told("acme", ANA).await?.remove("code").context("no code")?;
        let tries = (0..20).map(|_| field.exchange(&code, VERIFIER));
        let answers = futures_util::future::try_join_all(tries).await?;
        if answers.iter().filter(|answer| answer.status == 200).count() > 1 {
            return Ok(());
        }
    }
    anyhow::bail!("the lock is not what makes it one exchange")
}

#[tokio::test]
async fn a_trip_ends_once_in_its_browser_with_its_provider_in_time() -> Result<()> {
    let field = Field::make(Bed::with()).await?;
    let (own, other) = (field.browser()?, field.browser()?);
    let callback = field.callback(&own, "acme", ANA).await?;
    // Somebody sends the victim's browser to it, or a thief has seen the address.
    let landed = other.get(&callback).await?;
    assert!(landed.status == 403 && landed.text.contains("identity.other_sign_in"), "{landed:?}");
    // Another provider's callback with this one's answer.
    let mixed = callback.replace("/acme/", "/umbrella/");
    let landed = own.get(&mixed).await?;
    assert!(landed.status == 403 && landed.text.contains("identity.other_sign_in"), "{landed:?}");
    // Neither has used it up.
    let landed = own.get(&callback).await?;
    assert!(landed.on_to.as_deref().is_some_and(|to| to.contains("#code=")), "{landed:?}");
    for landed in [own.get(&callback).await?, other.get(&callback).await?] {
        assert!(landed.status == 410 && landed.text.contains("sign_in_over"), "{landed:?}");
    }
    // A state that nobody was given.
    let made_up = callback.replace("state=", "state=x");
    assert_eq!(own.get(&made_up).await?.status, 410);
    // Ten minutes are over.
    let callback = field.callback(&own, "acme", ANA).await?;
    let late = "update identity.oidc_flow set expires_at = now() - interval '1 second'";
    field.bed.sql().await?.run(late).await?;
    assert_eq!(own.get(&callback).await?.status, 410);
    Ok(())
}

#[tokio::test]
async fn what_a_provider_has_not_said_itself_opens_nothing() -> Result<()> {
    let field = Field::make(Bed::with()).await?;
    for twist in ["nonce", "issuer", "audience", "expired", "stranger", "symmetric", "none"] {
        let who = format!("sub={twist}&email={twist}@example.org&verified=true&twist={twist}");
        assert_eq!(field.error("acme", &who).await?, "not_proved", "{twist}");
    }
    // The answer of another issuer, forwarded (RFC 9207).
    let browser = field.browser()?;
    let callback = field.callback(&browser, "acme", ANA).await?;
    let (before, _) = callback.split_once("iss=").context("the provider names itself")?;
    let forged = format!("{before}iss=https%3A%2F%2Fid.example.org");
    let back = told(&on_to(&browser, &forged).await?)?;
    assert_eq!(back.get("error").map(String::as_str), Some("not_proved"));
    // A code that the provider never gave.
    let callback = field.callback(&browser, "acme", ANA).await?;
    let back = told(&on_to(&browser, &callback.replace("code=", "code=x")).await?)?;
    assert_eq!(back.get("error").map(String::as_str), Some("not_proved"));
    assert_eq!(field.error("acme", "deny").await?, "denied");
    assert_eq!(field.users().await?, 0);
    Ok(())
}

#[tokio::test]
async fn an_address_that_the_provider_does_not_vouch_for_opens_nothing() -> Result<()> {
    let outbox = Outbox::make()?;
    let field = Field::make(outbox.bed()).await?;
    let unverified =
        ["sub=eve&email=ana@example.org&verified=false", "sub=eve&email=ana@example.org"];
    for who in unverified {
        assert_eq!(field.error("acme", who).await?, "email_unverified", "{who}");
    }
    // It vouches for its own domain only.
    let foreign = "sub=eve&email=ana@example.org&verified=true";
    assert_eq!(field.error("umbrella", foreign).await?, "email_unverified");
    assert_eq!(field.users().await?, 0);
    Ok(())
}

#[tokio::test]
async fn an_account_is_joined_only_when_its_own_address_is_proved_too() -> Result<()> {
    let outbox = Outbox::make()?;
    let field = Field::make(outbox.bed()).await?;
    // Mallory has registered Ana's address and waits for her.
    let mallory = field.bed.person().await?;
    let email = mallory.email().to_owned();
    let ana = format!("sub=ana&email={email}&verified=true");
    assert_eq!(field.error("acme", &ana).await?, "account_unproven");
    mallory.get("/api/v1/auth/me").await?.expect(200)?;
    // Ana takes the account by mail: Mallory's session and password are gone, and then it is hers.
    let anyone = field.bed.anyone();
    anyone
        .post("/api/v1/auth/password/reset-request", json!({"email": email}))
        .await?
        .expect(202)?;
    let token = outbox.token(&email, "Choose a new password", 1).await?;
    let body = json!({"token": token, "password": "anas own words, at last"});
    anyone.post("/api/v1/auth/password/reset", body).await?.expect(204)?;
    wait_until("Mallory is out", PATIENCE, async || {
        let asked = mallory.get("/api/v1/auth/me").await?;
        Ok((asked.status == 401).then_some(()))
    })
    .await?;
    let tokens = field.tokens("acme", &ana).await?;
    assert_eq!(Some(user(&tokens)), mallory.user().get("id").and_then(Value::as_str));
    outbox.mail(&email, "Sign-in with acme", 1).await?;
    // A deactivated account stays so.
    let sql = field.bed.sql().await?;
    sql.run("update identity.user set active = false").await?;
    assert_eq!(field.error("acme", &ana).await?, "account_deactivated");
    Ok(())
}

#[tokio::test]
async fn nobody_is_sent_anywhere_else_and_nothing_usable_is_kept() -> Result<()> {
    let field = Field::make(Bed::with().env("REGISTRATION", "closed")).await?;
    assert_eq!(field.error("acme", ANA).await?, "registration_closed");
    let begin = |provider: &str, query: &str| {
        let path = format!("/api/v1/auth/oidc/{provider}/start?{query}");
        field.bed.anyone().get(path)
    };
    let good = format!("challenge={CHALLENGE}");
    begin("nobody", &good).await?.refused(404, "identity.no_such_provider")?;
    begin("gone", &good).await?.refused(503, "identity.provider_away")?;
    begin("acme", "challenge=short").await?.refused(422, "invalid")?;
    begin("acme", "").await?.refused(400, "bad_query")?;
    let evil = format!("{good}&returnTo=https://evil.example");
    begin("acme", &evil).await?.refused(422, "invalid")?;
    let browser = field.browser()?;
    let start =
        format!("{API}/api/v1/auth/oidc/acme/start?{good}&returnTo=com.example.app:/signed-in");
    let landed = browser.get(&start).await?;
    let cookie = landed.set_cookies.first().context("no cookie")?;
    for part in ["HttpOnly", "SameSite=Lax", "Secure", "Max-Age=600", "Path=/api/v1/auth/oidc"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let there = landed.on_to.context("leads nowhere")?;
    for part in ["code_challenge_method=S256", "nonce=", "state=", "response_type=code"] {
        assert!(there.contains(part), "{there}");
    }
    let secret = cookie.split(['=', ';']).nth(1).context("no value")?;
    let state = there.split("state=").nth(1).and_then(|rest| rest.split('&').next());
    let all = "select string_agg(f::text, ' ') from identity.oidc_flow f";
    let kept: String = field.bed.sql().await?.value(all, &[]).await?;
    assert!(!kept.contains(secret) && !kept.contains(state.context("no state")?), "{kept}");
    Ok(())
}
