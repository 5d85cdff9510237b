//! What can be wrong with signing in at a provider, and how the API says it.

use kernel::problem::{FieldError, Problem};

/// Seconds after which a provider that is away is worth another try.
const PROVIDER_RETRY_AFTER_SECS: u32 = 5;

/// A refusal about a provider, or about a trip to one.
#[derive(Debug, thiserror::Error)]
pub enum OidcError {
    /// Nobody has named such a provider.
    #[error("there is no such provider")]
    NoSuchProvider,
    /// The address is not one that clients may be sent back to.
    #[error("the return address is not allowed")]
    ReturnNotAllowed,
    /// The challenge is not the SHA-256 of anything.
    #[error("the challenge is not one")]
    NotAChallenge,
    /// The provider cannot be reached.
    #[error("the provider is away: {0}")]
    Away(String),
    /// The trip was never begun, is at its end, or took too long.
    #[error("the trip is over")]
    TripOver,
    /// Another browser began it, or another provider answers.
    #[error("the trip is another's")]
    OtherTrip,
    /// The user has no such login.
    #[error("there is no such login")]
    NoSuchLogin,
    /// Without it nobody would get into the account.
    #[error("it is the last way to sign in")]
    LastLogin,
    /// The code was never given, was used, is too old, or somebody else's.
    #[error("the code is over")]
    CodeOver,
}

impl OidcError {
    /// The problem that the API answers.
    pub(crate) fn problem(&self) -> Problem {
        match self {
            Self::NoSuchProvider => Problem::new(
                404,
                "identity.no_such_provider",
                "There is no such provider",
                "GET /api/v1/auth/oidc lists those that this server knows.",
            ),
            Self::ReturnNotAllowed => field(
                "/returnTo",
                "not_allowed",
                "Name exactly one of the addresses in OIDC_RETURN_URLS of this server, or none.",
            ),
            Self::NotAChallenge => field(
                "/challenge",
                "challenge",
                "Send the SHA-256 of your verifier in base64url without padding: 43 characters.",
            ),
            Self::Away(_) => Problem::new(
                503,
                "identity.provider_away",
                "The provider cannot be reached",
                "It does not answer, or not as it should. Try again in a moment.",
            )
            .retry_after(PROVIDER_RETRY_AFTER_SECS),
            Self::TripOver => Problem::new(
                410,
                "identity.sign_in_over",
                "This sign-in is over",
                "It was finished, or took longer than ten minutes. Begin anew.",
            ),
            Self::OtherTrip => Problem::new(
                403,
                "identity.other_sign_in",
                "This sign-in was begun elsewhere",
                "It ends in the browser, and with the provider, that it was begun with. Begin anew.",
            ),
            Self::NoSuchLogin => Problem::new(
                404,
                "identity.no_such_login",
                "There is no such login",
                "You have none with this id, or it was unlinked. List your logins anew.",
            ),
            Self::LastLogin => Problem::new(
                409,
                "identity.last_login",
                "It is the last way to sign in",
                "The account has no password. Choose one through a mailed link, with POST \
                 /api/v1/auth/password/reset-request, or link another login first.",
            ),
            Self::CodeOver => Problem::new(
                410,
                "identity.code_over",
                "The code does not count",
                "It was used, is older than a minute, or was given to somebody else. Begin anew.",
            ),
        }
    }
}

fn field(pointer: &str, code: &'static str, detail: &str) -> Problem {
    let error = FieldError { pointer: pointer.to_owned(), code, detail: detail.to_owned() };
    Problem::new(422, "invalid", "The query breaks a rule", detail).with_errors(vec![error])
}
