//! A browser that follows no redirect by itself: it keeps cookies per site, and a test looks at
//! every step.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result};
use reqwest::Url;
use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::redirect::Policy;

/// What came back from a page.
#[derive(Clone, Debug)]
pub struct Landed {
    /// HTTP status.
    pub status: u16,
    /// Where it sends the browser on to, as a whole URL.
    pub on_to: Option<String>,
    /// The cookies that it sets, as it wrote them.
    pub set_cookies: Vec<String>,
    /// The body.
    pub text: String,
}

/// A browser of one person, with an address of its own.
#[derive(Debug)]
pub struct Browser {
    http: reqwest::Client,
    address: String,
    /// A public origin and where it really is.
    hosts: HashMap<String, String>,
    jar: Mutex<HashMap<String, BTreeMap<String, String>>>,
}

impl Browser {
    /// A browser at `address`, for which `public` (`https://api.example.org`) is at `base`.
    ///
    /// # Errors
    /// When there can be no client.
    pub fn new(address: &str, public: &str, base: &str) -> Result<Self> {
        let http = reqwest::Client::builder().no_proxy().redirect(Policy::none()).build()?;
        let hosts = HashMap::from([(public.to_owned(), base.to_owned())]);
        Ok(Self { http, address: address.to_owned(), hosts, jar: Mutex::default() })
    }

    /// Visits a page, and no other.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn get(&self, url: &str) -> Result<Landed> {
        let shown = Url::parse(url).with_context(|| format!("{url} is no URL"))?;
        let origin = shown.origin().ascii_serialization();
        let really = match self.hosts.get(&origin) {
            Some(base) => url.replacen(&origin, base, 1),
            None => url.to_owned(),
        };
        let cookies = self.cookies(&origin);
        let mut ask = self.http.get(really).header("X-Forwarded-For", &self.address);
        if !cookies.is_empty() {
            ask = ask.header(COOKIE, cookies);
        }
        let answer = ask.send().await?;
        let header = |value: &reqwest::header::HeaderValue| value.to_str().map(str::to_owned);
        let set_cookies: Vec<String> =
            answer.headers().get_all(SET_COOKIE).iter().map(header).collect::<Result<_, _>>()?;
        self.keep(&origin, &set_cookies);
        let on_to = answer.headers().get(LOCATION).map(header).transpose()?;
        let on_to = on_to.map(|to| shown.join(&to).map(String::from)).transpose()?;
        let status = answer.status().as_u16();
        Ok(Landed { status, on_to, set_cookies, text: answer.text().await? })
    }

    fn cookies(&self, origin: &str) -> String {
        let jar = self.jar.lock().unwrap_or_else(PoisonError::into_inner);
        let pairs = jar.get(origin).into_iter().flatten();
        pairs.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    fn keep(&self, origin: &str, lines: &[String]) {
        let mut jar = self.jar.lock().unwrap_or_else(PoisonError::into_inner);
        let jar = jar.entry(origin.to_owned()).or_default();
        for line in lines {
            let pair = line.split(';').next().unwrap_or_default();
            let Some((name, value)) = pair.split_once('=') else { continue };
            if value.is_empty() || line.contains("Max-Age=0") {
                jar.remove(name);
            } else {
                jar.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}
