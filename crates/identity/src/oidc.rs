//! Providers that say who somebody is, by OpenID Connect: authorization code with PKCE.

mod provider;
mod secrets;
mod wire;

pub(crate) use provider::{Claims, Said};
pub use provider::{ProviderSettings, Providers};
pub(crate) use secrets::{Code, Trip, challenge_of, hash_of};
