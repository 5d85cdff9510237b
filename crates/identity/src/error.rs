//! What can be wrong with signing in, venues and members, and how the API says it.

use kernel::problem::{FieldError, Problem};
use pg::DbError;
use pg::write::Refusal;

use crate::device_error::DeviceError;
use crate::model::{Member, Venue};
use crate::oidc_error::OidcError;

/// Seconds after which the queue for passwords is worth another try.
const QUEUE_RETRY_AFTER_SECS: u32 = 1;

/// A refusal of this slice. A variant is something that a caller can do something about.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// Somebody has registered with this address.
    #[error("the address is taken")]
    EmailTaken,
    /// Customers do not register themselves here.
    #[error("registration is closed")]
    RegistrationClosed,
    /// No such account, or another password: the answer is the same.
    #[error("the address or the password is wrong")]
    WrongPassword,
    /// Whoever is signed in has not shown the account's password.
    #[error("the present password is wrong")]
    PresentPasswordWrong,
    /// The mailed link does not open: wrong, used, taken back, tried too often or too old.
    #[error("the link does not count")]
    LinkOver,
    /// The invitation is for somebody else.
    #[error("the invitation is for another address")]
    OtherAddress,
    /// No such session of this user.
    #[error("there is no such session")]
    NoSuchSession,
    /// No such open invitation in this venue.
    #[error("there is no such invitation")]
    NoSuchInvitation,
    /// The venue has as many open invitations as it may.
    #[error("too many open invitations")]
    TooManyInvitations,
    /// The user owns as many venues as they may.
    #[error("too many venues")]
    TooManyVenues,
    /// Too many attempts for this account or from this address; free again after the seconds.
    #[error("too many attempts")]
    TooManyAttempts(u32),
    /// As many passwords as may wait are waiting.
    #[error("the queue for passwords is full")]
    QueueFull,
    /// The password breaks the policy.
    #[error("the password is too weak")]
    WeakPassword(Vec<FieldError>),
    /// No session has this refresh token.
    #[error("the refresh token is not valid")]
    NoSuchToken,
    /// The session was ended, or nobody has refreshed it for too long.
    #[error("the session is over")]
    SessionOver,
    /// No such venue, or the caller has no role in it.
    #[error("there is no such venue")]
    NoSuchVenue,
    /// The version that the client has seen is not the present one.
    #[error("the venue was changed meanwhile")]
    StaleVenue(Box<Venue>),
    /// Nobody has registered with this address.
    #[error("there is no such user")]
    NoSuchUser,
    /// No such member in this venue.
    #[error("there is no such member")]
    NoSuchMember,
    /// The user is a member already.
    #[error("the user is a member already")]
    AlreadyMember(Box<Member>),
    /// The version that the client has seen is not the present one.
    #[error("the member was changed meanwhile")]
    StaleMember(Box<Member>),
    /// The role, or the member's, is above the caller's own.
    #[error("the role is above one's own")]
    AboveOwnRole,
    /// A venue always has an owner.
    #[error("the last owner stays")]
    LastOwner,
    /// Something about a device.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// Something about signing in at a provider.
    #[error(transparent)]
    Oidc(#[from] OidcError),
    /// The setup token does not count: it is wrong, too old, or there is a user already.
    #[error("the setup token does not count")]
    SetupOver,
    /// A key, a seal, a hash or the random generator failed.
    #[error("a cryptographic operation failed")]
    Crypto,
    /// The database failed.
    #[error(transparent)]
    Db(DbError),
}

impl From<DbError> for IdentityError {
    fn from(error: DbError) -> Self {
        match error.constraint() {
            Some("user_email_key") => Self::EmailTaken,
            _ => Self::Db(error),
        }
    }
}

impl From<serde_json::Error> for IdentityError {
    fn from(error: serde_json::Error) -> Self {
        Self::Db(error.into())
    }
}

impl From<aws_lc_rs::error::Unspecified> for IdentityError {
    fn from(_: aws_lc_rs::error::Unspecified) -> Self {
        Self::Crypto
    }
}

impl Refusal for IdentityError {
    fn problem(&self) -> Problem {
        match self {
            Self::EmailTaken | Self::RegistrationClosed | Self::WeakPassword(_) => {
                self.about_registering()
            }
            Self::PresentPasswordWrong
            | Self::LinkOver
            | Self::SetupOver
            | Self::OtherAddress
            | Self::TooManyInvitations
            | Self::TooManyVenues => self.about_accounts(),
            Self::WrongPassword
            | Self::TooManyAttempts(_)
            | Self::QueueFull
            | Self::NoSuchToken
            | Self::SessionOver => self.about_signing_in(),
            Self::NoSuchVenue
            | Self::NoSuchUser
            | Self::NoSuchMember
            | Self::NoSuchSession
            | Self::NoSuchInvitation => self.absent(),
            Self::StaleVenue(_)
            | Self::StaleMember(_)
            | Self::AlreadyMember(_)
            | Self::AboveOwnRole
            | Self::LastOwner => self.about_members(),
            Self::Device(error) => error.problem(),
            Self::Oidc(error) => error.problem(),
            Self::Crypto => DbError::Replay.problem(),
            Self::Db(error) => error.problem(),
        }
    }
}

impl IdentityError {
    fn about_registering(&self) -> Problem {
        match self {
            Self::WeakPassword(errors) => Problem::new(
                422,
                "identity.weak_password",
                "The password is too weak",
                errors.first().map_or_else(String::new, |error| error.detail.clone()),
            )
            .with_errors(errors.clone()),
            Self::RegistrationClosed => Problem::new(
                403,
                "identity.registration_closed",
                "Nobody can register here",
                "Accounts are made by the people who run this server. Ask them for one.",
            ),
            _ => Problem::new(
                409,
                "identity.email_taken",
                "The address is taken",
                "There is an account with this address. Sign in with it.",
            ),
        }
    }

    fn about_accounts(&self) -> Problem {
        match self {
            Self::PresentPasswordWrong => Problem::new(
                403,
                "identity.present_password_wrong",
                "The present password is wrong",
                "Nothing was changed. Whoever forgot it resets it by mail.",
            ),
            Self::OtherAddress => Problem::new(
                403,
                "identity.other_address",
                "The invitation is for another address",
                "Sign in with the account of the address that the invitation was mailed to.",
            ),
            Self::TooManyInvitations => Problem::new(
                409,
                "identity.too_many_invitations",
                "Too many invitations are open",
                "Withdraw some that nobody has accepted, then invite again.",
            ),
            Self::TooManyVenues => Problem::new(
                409,
                "identity.too_many_venues",
                "You own as many venues as one user may",
                "Let somebody else open the next one, or make another user owner of one of yours.",
            ),
            Self::SetupOver => Problem::new(
                410,
                "identity.setup_over",
                "The setup token does not count",
                "It is wrong, older than an hour, or somebody has registered here. While there is \
                 no user, a new start of the server prints another; `rowlock admin create-owner` \
                 makes an owner at any time.",
            ),
            _ => Problem::new(
                410,
                "identity.link_over",
                "The link does not count",
                "It was used, withdrawn, is too old, or is not one of ours. Ask for another one.",
            ),
        }
    }

    fn about_signing_in(&self) -> Problem {
        match self {
            Self::TooManyAttempts(secs) => Problem::new(
                429,
                "identity.too_many_attempts",
                "Too many attempts",
                format!(
                    "Wait {secs} s before the next one. Whoever forgot the password resets it."
                ),
            )
            .retry_after(*secs),
            Self::QueueFull => Problem::new(
                503,
                "identity.busy",
                "Too many people sign in at this moment",
                "Nothing was tried. Send the same request again in a moment.",
            )
            .retry_after(QUEUE_RETRY_AFTER_SECS),
            Self::NoSuchToken => Problem::new(
                401,
                "identity.refresh_invalid",
                "The refresh token is not valid",
                "It was not made by this server, or it is long over. Sign in again.",
            ),
            Self::SessionOver => Problem::new(
                401,
                "identity.session_over",
                "The session is over",
                "It was ended, was not used for too long, or its refresh token was used twice. \
                 Sign in again.",
            ),
            _ => Problem::new(
                401,
                "identity.wrong_password",
                "The address or the password is wrong",
                "Check both. The answer is the same whether or not there is such an account.",
            ),
        }
    }

    fn absent(&self) -> Problem {
        match self {
            Self::NoSuchUser => Problem::new(
                422,
                "identity.no_such_user",
                "The account of this address is deactivated",
                "Ask the person to reactivate it, then add them.",
            ),
            Self::NoSuchSession => Problem::new(
                404,
                "identity.no_such_session",
                "There is no such session",
                "You have none with this id, or it is over. List your sessions anew.",
            ),
            Self::NoSuchInvitation => Problem::new(
                404,
                "identity.no_such_invitation",
                "There is no such invitation",
                "It was accepted, withdrawn, or is not this venue's. List the invitations anew.",
            ),
            Self::NoSuchMember => Problem::new(
                404,
                "identity.no_such_member",
                "There is no such member",
                "This venue has no such member, or the member was removed. List the members anew.",
            ),
            _ => Problem::new(
                404,
                "identity.no_such_venue",
                "There is no such venue",
                "There is none with this id, or you have no role in it.",
            ),
        }
    }

    fn about_members(&self) -> Problem {
        match self {
            Self::StaleVenue(current) => {
                stale("identity.stale_venue", "venue").with_current(current)
            }
            Self::StaleMember(current) => {
                stale("identity.stale_member", "member").with_current(current)
            }
            Self::AlreadyMember(current) => Problem::new(
                409,
                "identity.already_member",
                "The user is a member already",
                "`current` shows the role. Change it with PATCH …/members/{member}.",
            )
            .with_current(current),
            Self::AboveOwnRole => Problem::new(
                403,
                "identity.above_own_role",
                "The role is above your own",
                "Nobody gives, changes or takes a role above their own. Ask an owner.",
            ),
            _ => Problem::new(
                409,
                "identity.last_owner",
                "A venue always has an owner",
                "This is the last one. Make somebody else an owner first.",
            ),
        }
    }
}

fn stale(code: &'static str, what: &str) -> Problem {
    let detail = format!(
        "Nothing was changed: the {what} is not as you saw it. Look at `current`, decide again, \
         and send its version."
    );
    Problem::new(412, code, "It was changed meanwhile", detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_says_its_own_status_and_code() {
        let cases = [
            (IdentityError::EmailTaken, 409, "identity.email_taken"),
            (IdentityError::RegistrationClosed, 403, "identity.registration_closed"),
            (IdentityError::WrongPassword, 401, "identity.wrong_password"),
            (IdentityError::TooManyAttempts(4), 429, "identity.too_many_attempts"),
            (IdentityError::PresentPasswordWrong, 403, "identity.present_password_wrong"),
            (IdentityError::LinkOver, 410, "identity.link_over"),
            (IdentityError::SetupOver, 410, "identity.setup_over"),
            (IdentityError::OtherAddress, 403, "identity.other_address"),
            (IdentityError::NoSuchSession, 404, "identity.no_such_session"),
            (IdentityError::NoSuchInvitation, 404, "identity.no_such_invitation"),
            (IdentityError::TooManyInvitations, 409, "identity.too_many_invitations"),
            (IdentityError::TooManyVenues, 409, "identity.too_many_venues"),
            (IdentityError::QueueFull, 503, "identity.busy"),
            (IdentityError::WeakPassword(Vec::new()), 422, "identity.weak_password"),
            (IdentityError::NoSuchToken, 401, "identity.refresh_invalid"),
            (IdentityError::SessionOver, 401, "identity.session_over"),
            (IdentityError::NoSuchVenue, 404, "identity.no_such_venue"),
            (IdentityError::NoSuchUser, 422, "identity.no_such_user"),
            (IdentityError::NoSuchMember, 404, "identity.no_such_member"),
            (IdentityError::AboveOwnRole, 403, "identity.above_own_role"),
            (IdentityError::LastOwner, 409, "identity.last_owner"),
            (IdentityError::Crypto, 500, "internal"),
        ];
        for (error, status, code) in cases {
            let problem = error.problem();
            assert_eq!((problem.status, problem.code), (status, code));
        }
    }
}
