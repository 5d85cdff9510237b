//! Access tokens that the server would not make.

use anyhow::{Context as _, Result};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::Sql;

const KID: &str = "minted-by-a-test";

/// A signing key that the workers of one database trust, and whose private half a test has.
#[derive(Debug)]
pub struct Minter(Ed25519KeyPair);

impl Minter {
    /// A fresh key among the retired ones. Workers that run already learn of it within seconds of
    /// the first token; those that start later know it.
    ///
    /// # Errors
    /// When the key cannot be made or written.
    pub async fn install(sql: &Sql) -> Result<Self> {
        let pair = Ed25519KeyPair::generate().ok().context("no key can be made")?;
        let insert = "insert into identity.signing_key
                (kid, public_key, private_sealed, state, created_at, changed_at)
            values ($1, $2, '', 'retired', now(), now())";
        sql.execute(insert, &[&KID, &pair.public_key().as_ref()]).await?;
        Ok(Self(pair))
    }

    /// The token of `payload`.
    #[must_use]
    pub fn token(&self, payload: &Value) -> String {
        let header = json!({"alg": "EdDSA", "typ": "at+jwt", "kid": KID});
        let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let signed = format!("{}.{}", part(&header), part(payload));
        let signature = URL_SAFE_NO_PAD.encode(self.0.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    /// What `token` says, to be changed and minted anew.
    ///
    /// # Errors
    /// When it is no token.
    pub fn payload(token: &str) -> Result<Value> {
        let part = token.split('.').nth(1).context("this is no token")?;
        Ok(serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part)?)?)
    }
}
