//! One provider: its settings, its document, and what it says of a person.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use openidconnect::core::{
    CoreAuthenticationFlow, CoreClient, CoreJwsSigningAlgorithm, CoreProviderMetadata,
    CoreTokenResponse,
};
use openidconnect::{
    AccessTokenHash, AuthorizationCode, ClaimsVerificationError, ClientId, ClientSecret, CsrfToken,
    EndpointMaybeSet, EndpointNotSet, EndpointSet, IssuerUrl, Nonce, OAuth2TokenResponse,
    PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RequestTokenError, Scope,
    SignatureVerificationError, TokenResponse,
};
use secrecy::{ExposeSecret, SecretString};

use super::Trip;
use super::wire;

/// How long a provider's document and keys are believed.
const DOCUMENT_LIFE: SignedDuration = SignedDuration::from_hours(1);
/// A token of a key that nobody knows makes them be read again, but not more often than this.
const DOCUMENT_AGAIN: SignedDuration = SignedDuration::from_secs(30);
/// A provider signs with a key of its own. Never `none`, never a shared secret.
const ALGORITHMS: [CoreJwsSigningAlgorithm; 9] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

type Client = CoreClient<
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// A provider as the people who run the server name it.
#[derive(Clone, Debug)]
pub struct ProviderSettings {
    /// In paths: `google`.
    pub id: String,
    /// On buttons: `Google`.
    pub name: String,
    /// Its issuer: `https://accounts.google.com`.
    pub issuer: String,
    /// Who we are there.
    pub client_id: String,
    /// What proves it; none where PKCE alone does.
    pub client_secret: Option<SecretString>,
    /// Domains of the addresses that it may vouch for; any when empty.
    pub domains: Vec<String>,
    /// Where it sends browsers back to.
    pub callback: String,
}

/// What a provider says of a person, verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claims {
    pub(crate) issuer: String,
    pub(crate) subject: String,
    pub(crate) email: Option<String>,
    /// The provider says so, and may say so of this domain.
    pub(crate) verified: bool,
    pub(crate) name: Option<String>,
}

/// What came of asking a provider.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Said {
    /// It cannot be reached, or answers nonsense.
    #[error("the provider cannot be asked: {0}")]
    Away(String),
    /// It was asked, and what it says does not count.
    #[error("what the provider says does not count: {0}")]
    Wrong(String),
}

/// All providers of this server. Clones share what was read of them.
#[derive(Clone, Debug, Default)]
pub struct Providers {
    all: Arc<Vec<ProviderSettings>>,
    read: Arc<Mutex<HashMap<String, (CoreProviderMetadata, Timestamp)>>>,
    returns: Arc<Vec<String>>,
    http: reqwest::Client,
}

impl Providers {
    /// These providers. Browsers are sent back to `returns` only, to the first unless they ask.
    ///
    /// # Errors
    /// When this machine cannot make TLS connections.
    pub fn new(all: Vec<ProviderSettings>, returns: Vec<String>) -> Result<Self, reqwest::Error> {
        let http = if all.is_empty() { reqwest::Client::default() } else { wire::client()? };
        Ok(Self { all: Arc::new(all), read: Arc::default(), returns: Arc::new(returns), http })
    }

    /// All of them.
    pub(crate) fn all(&self) -> &[ProviderSettings] {
        &self.all
    }

    pub(crate) fn find(&self, id: &str) -> Option<&ProviderSettings> {
        self.all.iter().find(|provider| provider.id == id)
    }

    /// Where a client that wants to go to `wanted` is sent back to; nothing when it may not.
    pub(crate) fn return_to(&self, wanted: Option<&str>) -> Option<&str> {
        let known = match wanted {
            Some(wanted) => self.returns.iter().find(|known| *known == wanted),
            None => self.returns.first(),
        };
        known.map(String::as_str)
    }

    /// Where the browser goes to sign in.
    pub(crate) async fn way_there(
        &self,
        provider: &ProviderSettings,
        trip: &Trip,
        now: Timestamp,
    ) -> Result<String, Said> {
        let client = client(provider, self.document(provider, now, DOCUMENT_LIFE).await?)?;
        let verifier = PkceCodeVerifier::new(trip.verifier().map_err(away)?);
        let (state, nonce) = (trip.state.clone(), trip.nonce().map_err(away)?);
        let (url, ..) = client
            .authorize_url(
                CoreAuthenticationFlow::AuthorizationCode,
                || CsrfToken::new(state),
                || Nonce::new(nonce),
            )
            .add_scope(Scope::new("email".to_owned()))
            .add_scope(Scope::new("profile".to_owned()))
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier))
            .url();
        Ok(url.into())
    }

    /// Who came back with `code`.
    pub(crate) async fn who(
        &self,
        provider: &ProviderSettings,
        trip: &Trip,
        code: String,
        now: Timestamp,
    ) -> Result<Claims, Said> {
        let document = self.document(provider, now, DOCUMENT_LIFE).await?;
        let asker = client(provider, document)?;
        let http = self.http.clone();
        let send = move |request| wire::send(http.clone(), request);
        let answer = asker
            .exchange_code(AuthorizationCode::new(code))
            .map_err(away)?
            .set_pkce_verifier(PkceCodeVerifier::new(trip.verifier().map_err(away)?))
            .request_async(&send)
            .await;
        let answer: CoreTokenResponse = answer.map_err(|error| match error {
            RequestTokenError::Request(error) => away(error),
            other => wrong(other),
        })?;
        let nonce = Nonce::new(trip.nonce().map_err(away)?);
        let claims = match verify(&asker, &answer, &nonce, now) {
            // It may have changed its keys since we read them.
            Err(ClaimsVerificationError::SignatureVerification(
                SignatureVerificationError::NoMatchingKey,
            )) => {
                let again = client(provider, self.document(provider, now, DOCUMENT_AGAIN).await?)?;
                verify(&again, &answer, &nonce, now)
            }
            settled => settled,
        };
        let claims = claims.map_err(wrong)?;
        let verified = claims.verified && may_vouch(provider, claims.email.as_deref());
        Ok(Claims { verified, ..claims })
    }

    /// Its document, read again when it is older than `life`.
    async fn document(
        &self,
        provider: &ProviderSettings,
        now: Timestamp,
        life: SignedDuration,
    ) -> Result<CoreProviderMetadata, Said> {
        let kept = || self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = |at: &Timestamp| now.duration_since(*at) < life;
        if let Some((document, _)) = kept().get(&provider.id).filter(|(_, at)| fresh(at)) {
            return Ok(document.clone());
        }
        let issuer = IssuerUrl::new(provider.issuer.clone()).map_err(away)?;
        let http = self.http.clone();
        let send = move |request| wire::send(http.clone(), request);
        let document = CoreProviderMetadata::discover_async(issuer, &send).await.map_err(away)?;
        kept().insert(provider.id.clone(), (document.clone(), now));
        Ok(document)
    }
}

fn client(provider: &ProviderSettings, document: CoreProviderMetadata) -> Result<Client, Said> {
    let secret = provider.client_secret.as_ref();
    let secret = secret.map(|secret| ClientSecret::new(secret.expose_secret().to_owned()));
    let id = ClientId::new(provider.client_id.clone());
    let callback = RedirectUrl::new(provider.callback.clone()).map_err(away)?;
    Ok(CoreClient::from_provider_metadata(document, id, secret).set_redirect_uri(callback))
}

/// Signature, issuer, audience, times and nonce of the ID token, and that it was given together with
/// the access token.
fn verify(
    client: &Client,
    answer: &CoreTokenResponse,
    nonce: &Nonce,
    now: Timestamp,
) -> Result<Claims, ClaimsVerificationError> {
    let token = answer.id_token().ok_or_else(|| other("there is no ID token"))?;
    let now = std::time::SystemTime::from(now);
    let verifier =
        client.id_token_verifier().set_allowed_algs(ALGORITHMS).set_time_fn(move || now.into());
    let claims = token.claims(&verifier, nonce)?;
    if let Some(expected) = claims.access_token_hash() {
        let (alg, key) = (token.signing_alg(), token.signing_key(&verifier));
        let (alg, key) = (alg.map_err(other)?, key.map_err(other)?);
        let found = AccessTokenHash::from_token(answer.access_token(), alg, key);
        if found.map_err(other)? != *expected {
            return Err(other("the access token is another one"));
        }
    }
    let name = claims.name().and_then(|name| name.get(None)).map(|name| name.to_string());
    Ok(Claims {
        issuer: claims.issuer().to_string(),
        subject: claims.subject().to_string(),
        email: claims.email().map(|email| email.to_string()),
        verified: claims.email_verified() == Some(true),
        name,
    })
}

fn other(error: impl std::fmt::Display) -> ClaimsVerificationError {
    ClaimsVerificationError::Other(error.to_string())
}

fn away(error: impl std::fmt::Display) -> Said {
    Said::Away(error.to_string())
}

fn wrong(error: impl std::fmt::Display) -> Said {
    Said::Wrong(error.to_string())
}

/// Whether the provider may say whose address it is.
fn may_vouch(provider: &ProviderSettings, email: Option<&str>) -> bool {
    let domain = email.and_then(|email| email.rsplit_once('@')).map(|(_, domain)| domain);
    domain.is_some_and(|domain| {
        provider.domains.is_empty()
            || provider.domains.iter().any(|mine| mine.eq_ignore_ascii_case(domain))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provider(domains: &[&str]) -> ProviderSettings {
        ProviderSettings {
            id: "acme".to_owned(),
            name: "Acme".to_owned(),
            issuer: "https://id.example.org".to_owned(),
            client_id: "rowlock".to_owned(),
            client_secret: None,
            domains: domains.iter().map(|&domain| domain.to_owned()).collect(),
            callback: "https://api.example.org/callback".to_owned(),
        }
    }

    #[test]
    fn a_provider_vouches_for_its_domains_only() {
        let any = provider(&[]);
        assert!(may_vouch(&any, Some("ana@example.org")));
        assert!(!may_vouch(&any, None) && !may_vouch(&any, Some("ana")));
        let own = provider(&["acme.example"]);
        assert!(may_vouch(&own, Some("ana@ACME.example")));
        for foreign in ["ana@example.org", "ana@evil-acme.example", "a@acme.example@b.org"] {
            assert!(!may_vouch(&own, Some(foreign)), "{foreign}");
        }
    }

    #[test]
    fn nobody_is_sent_where_nobody_said() {
        let returns = ["https://app.example.org/signed-in", "com.example.app:/signed-in"];
        let returns = returns.map(str::to_owned).to_vec();
        let providers = Providers::new(vec![provider(&[])], returns).unwrap();
        assert_eq!(providers.return_to(None), Some("https://app.example.org/signed-in"));
        let native = "com.example.app:/signed-in";
        assert_eq!(providers.return_to(Some(native)), Some(native));
        for wrong in ["https://evil.example", "https://app.example.org/signed-in/../x", ""] {
            assert_eq!(providers.return_to(Some(wrong)), None, "{wrong}");
        }
    }
}
