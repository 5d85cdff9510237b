//! What this slice needs besides the `App`: the binary makes one and gives it to every thread.

use crate::keys::Keys;
use crate::oidc::Providers;
use crate::passwords::Passwords;

/// What the people who run the server decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Whether anybody may register.
    pub registration_open: bool,
    /// Sign-ins and registrations of one address, per minute.
    pub attempts_per_minute: i32,
    /// Where people's pages are: mailed links lead there. Without a slash at its end.
    pub public_url: String,
}

impl Default for Settings {
    fn default() -> Self {
        let public_url = "http://localhost:8080".to_owned();
        Self { registration_open: true, attempts_per_minute: 20, public_url }
    }
}

/// The state of this slice, as `web::Data<Identity>`. Clones share it.
#[derive(Clone)]
pub struct Identity {
    pub(crate) keys: Keys,
    pub(crate) passwords: Passwords,
    pub(crate) settings: Settings,
    pub(crate) providers: Providers,
}

impl Identity {
    /// One per process: its clones share the keys and the queue for passwords.
    #[must_use]
    pub fn new(keys: Keys, settings: Settings) -> Self {
        Self { keys, passwords: Passwords::default(), settings, providers: Providers::default() }
    }

    /// The same, where people may sign in with these providers.
    #[must_use]
    pub fn with_providers(self, providers: Providers) -> Self {
        Self { providers, ..self }
    }

    /// The keys that sign.
    #[must_use]
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Where passwords are worked on.
    #[must_use]
    pub fn passwords(&self) -> &Passwords {
        &self.passwords
    }
}
