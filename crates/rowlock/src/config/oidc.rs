//! Providers to sign in with: `OIDC_PROVIDERS` names them, and for each `NAME` there are
//! `OIDC_NAME_ISSUER`, `OIDC_NAME_CLIENT_ID` and what is optional.

use clap::Args;
use identity::{ProviderSettings, Providers};
use secrecy::SecretString;

use super::WrongSetting;

/// How people sign in elsewhere.
#[derive(Args, Clone)]
pub(crate) struct Oidc {
    /// OpenID Connect providers: google,acme. Each has `OIDC_GOOGLE_ISSUER`,
    /// `OIDC_GOOGLE_CLIENT_ID`, and may have `OIDC_GOOGLE_CLIENT_SECRET` or
    /// `OIDC_GOOGLE_CLIENT_SECRET_FILE`, `OIDC_GOOGLE_NAME` for the button, and
    /// `OIDC_GOOGLE_DOMAINS`, the only domains whose addresses it may vouch for.
    #[arg(
        id = "oidc_providers",
        long = "oidc-providers",
        env = "OIDC_PROVIDERS",
        value_delimiter = ','
    )]
    providers: Vec<String>,
    /// Where browsers may be sent back to after signing in elsewhere, exactly; the first is the
    /// usual one. `PUBLIC_URL`/signed-in unless given.
    #[arg(
        id = "oidc_return_urls",
        long = "oidc-return-urls",
        env = "OIDC_RETURN_URLS",
        value_delimiter = ','
    )]
    return_urls: Vec<String>,
    /// Where this API is reached from outside; `PUBLIC_URL` unless given.
    #[arg(long, env)]
    api_url: Option<String>,
}

impl Oidc {
    /// The providers; `public_url` is where people's pages are.
    pub(crate) fn providers(&self, public_url: &str) -> Result<Providers, WrongSetting> {
        let base = self.api_url.as_deref().unwrap_or(public_url).trim_end_matches('/');
        let names = self.providers.iter().map(|name| name.trim());
        let all = names
            .filter(|name| !name.is_empty())
            .map(|name| provider(name, base, variable))
            .collect::<Result<Vec<_>, _>>()?;
        let mut returns: Vec<String> =
            self.return_urls.iter().map(|url| url.trim().to_owned()).collect();
        returns.retain(|url| !url.is_empty());
        if returns.is_empty() {
            returns.push(format!("{}/signed-in", public_url.trim_end_matches('/')));
        }
        if let Some(wrong) = returns.iter().find(|url| url.contains('#') || !url.contains(':')) {
            return Err(WrongSetting(format!(
                "OIDC_RETURN_URLS has {wrong}, which is not like https://app.example.org/signed-in \
                 or com.example.app:/signed-in; what we add stands behind a #."
            )));
        }
        Providers::new(all, returns)
            .map_err(|error| WrongSetting(format!("OIDC_PROVIDERS cannot be used: {error}")))
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the names depend on OIDC_PROVIDERS, so clap cannot know them"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn provider(
    id: &str,
    base: &str,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<ProviderSettings, WrongSetting> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if id.len() > 40 || !id.chars().all(plain) {
        return Err(WrongSetting(format!(
            "OIDC_PROVIDERS has {id}; a name is small letters, digits and _, at most 40"
        )));
    }
    let name = |what: &str| format!("OIDC_{}_{what}", id.to_uppercase());
    let needed = |what: &str| {
        let name = name(what);
        variable(&name).ok_or_else(|| {
            WrongSetting(format!("OIDC_PROVIDERS names {id}, and {name} is not set"))
        })
    };
    let issuer = needed("ISSUER")?;
    if !is_safe(&issuer) {
        return Err(WrongSetting(format!(
            "{} is {issuer}; a provider is reached by https (by http only on this machine)",
            name("ISSUER")
        )));
    }
    let secret = match (variable(&name("CLIENT_SECRET")), variable(&name("CLIENT_SECRET_FILE"))) {
        (Some(secret), _) => Some(secret),
        (None, Some(file)) => Some(std::fs::read_to_string(&file).map_err(|error| {
            WrongSetting(format!("{} {file} cannot be read: {error}", name("CLIENT_SECRET_FILE")))
        })?),
        (None, None) => None,
    };
    let domains = variable(&name("DOMAINS")).unwrap_or_default();
    let domains = domains.split(',').map(str::trim).filter(|domain| !domain.is_empty());
    Ok(ProviderSettings {
        name: variable(&name("NAME")).unwrap_or_else(|| id.to_owned()),
        client_id: needed("CLIENT_ID")?,
        client_secret: secret.map(|secret| SecretString::from(secret.trim().to_owned())),
        domains: domains.map(str::to_owned).collect(),
        callback: format!("{base}/api/v1/auth/oidc/{id}/callback"),
        id: id.to_owned(),
        issuer,
    })
}

/// Nobody between here and there can change what it says.
fn is_safe(issuer: &str) -> bool {
    let local = ["http://127.0.0.1:", "http://localhost:", "http://[::1]:"];
    issuer.starts_with("https://") || local.iter().any(|start| issuer.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(id: &str, known: &[(&str, &str)]) -> Result<ProviderSettings, WrongSetting> {
        let find = |name: &str| {
            known.iter().find(|(it, _)| *it == name).map(|(_, value)| (*value).to_owned())
        };
        provider(id, "https://api.example.org", find)
    }

    #[test]
    fn a_provider_is_read_by_its_name() {
        let found = read(
            "acme",
            &[
                ("OIDC_ACME_ISSUER", "https://id.acme.example"),
                ("OIDC_ACME_CLIENT_ID", "rowlock"),
                ("OIDC_ACME_DOMAINS", "acme.example, acme.example.org"),
            ],
        )
        .unwrap();
        assert_eq!(found.callback, "https://api.example.org/api/v1/auth/oidc/acme/callback");
        assert_eq!(found.domains, ["acme.example", "acme.example.org"]);
        assert!(found.client_secret.is_none());
    }

    #[test]
    fn what_is_missing_or_unsafe_is_named() {
        let missing = read("acme", &[("OIDC_ACME_ISSUER", "https://id.acme.example")]);
        assert!(missing.unwrap_err().0.contains("OIDC_ACME_CLIENT_ID is not set"));
        let plain = read("acme", &[("OIDC_ACME_ISSUER", "http://id.acme.example")]);
        assert!(plain.unwrap_err().0.contains("https"));
        assert!(read("Acme!", &[]).is_err());
    }
}
