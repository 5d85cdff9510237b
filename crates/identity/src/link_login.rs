//! Whose account a login at a provider opens.
//!
//! An account is only ever found by its address when both sides have proved it: the provider says
//! that the address is verified, and its person has followed a link that we mailed there. Whoever
//! registered somebody else's address beforehand thus gains nothing when its owner comes along.

use kernel::ids::UserId;
use pg::Tx;
use serde_json::json;

use crate::model::{Email, User};
use crate::oidc::{Claims, ProviderSettings};
use crate::state::Identity;
use crate::store::users::Account;
use crate::store::{oidc, users};
use crate::{IdentityError, letters};

/// Characters of a name that is taken over from a provider.
const NAME_MAX_CHARS: usize = 120;

/// Bytes of an address that is kept beside a login.
const EMAIL_MAX_BYTES: usize = 254;

/// Why nobody is signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoWay {
    /// The person said no.
    Denied,
    /// The provider cannot be asked.
    ProviderAway,
    /// What the provider says does not count.
    NotProved,
    /// The provider does not vouch for the address, or may not.
    EmailUnverified,
    /// There is an account of this address, but nobody has proved that the address is theirs.
    AccountUnproven,
    /// The account was ended.
    AccountDeactivated,
    /// Nobody registers here.
    RegistrationClosed,
}

impl NoWay {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::ProviderAway => "provider_away",
            Self::NotProved => "not_proved",
            Self::EmailUnverified => "email_unverified",
            Self::AccountUnproven => "account_unproven",
            Self::AccountDeactivated => "account_deactivated",
            Self::RegistrationClosed => "registration_closed",
        }
    }
}

/// Whose account it is.
pub(crate) enum Linked {
    To(UserId),
    No(NoWay),
}

/// What a login that nobody had yet leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lead {
    /// To this account.
    Join,
    /// To a new account.
    Register,
    Nowhere(NoWay),
}

/// The rule for a login that is new here.
fn lead(verified: bool, account: Option<&Account>, registration_open: bool) -> Lead {
    match account {
        _ if !verified => Lead::Nowhere(NoWay::EmailUnverified),
        Some(account) if !account.active => Lead::Nowhere(NoWay::AccountDeactivated),
        Some(account) if !account.email_verified => Lead::Nowhere(NoWay::AccountUnproven),
        Some(_) => Lead::Join,
        None if registration_open => Lead::Register,
        None => Lead::Nowhere(NoWay::RegistrationClosed),
    }
}

/// Finds, links or makes the account.
///
/// # Errors
/// `EmailTaken` when somebody else did the same at this moment: try again.
pub(crate) async fn link_login(
    tx: &mut Tx,
    identity: &Identity,
    provider: &ProviderSettings,
    claims: &Claims,
) -> Result<Linked, IdentityError> {
    // A login that is known needs no address: people change theirs.
    if let Some(user) = oidc::find_login(tx, &claims.issuer, &claims.subject).await? {
        let account = users::account_by_id(tx, user).await?;
        let active = account.is_some_and(|account| account.active);
        let no_way = Linked::No(NoWay::AccountDeactivated);
        return Ok(if active { Linked::To(user) } else { no_way });
    }
    let email = Email::of(claims.email.as_deref().unwrap_or_default());
    let account = users::account_by_email(tx, &email).await?;
    let user = match lead(claims.verified, account.as_ref(), identity.settings.registration_open) {
        Lead::Nowhere(no_way) => return Ok(Linked::No(no_way)),
        Lead::Register => register(tx, &email, claims).await?,
        Lead::Join => {
            let user = account.ok_or(IdentityError::NoSuchUser)?.user;
            let url = &identity.settings.public_url;
            notify::queue_mail(tx, letters::login_linked(&user.email, &provider.name, url))?;
            user
        }
    };
    // The address is the provider's word for the login, and opens nothing.
    let told = claims.email.as_deref().filter(|email| email.len() <= EMAIL_MAX_BYTES);
    if !oidc::insert_login(tx, (&claims.issuer, &claims.subject, told), user.id).await? {
        return Err(IdentityError::EmailTaken);
    }
    tx.audit("login_linked", ("user", user.id.0), &json!({ "provider": provider.id }))?;
    Ok(Linked::To(user.id))
}

/// An account without a password, whose address the provider has proved.
async fn register(tx: &mut Tx, email: &Email, claims: &Claims) -> Result<User, IdentityError> {
    let mut errors = edge::body::Errors::default();
    errors.email(email.as_str(), "/email");
    if !errors.is_empty() {
        return Err(IdentityError::NoSuchUser);
    }
    let now = tx.now();
    let user = User {
        id: UserId::fresh(now),
        email: email.as_str().to_owned(),
        name: name(claims.name.as_deref(), email),
        created_at: now,
    };
    if users::insert_proven_user(tx, &user).await? {
        Ok(user)
    } else {
        Err(IdentityError::EmailTaken)
    }
}

/// What the provider calls the person, else what stands before the `@`.
fn name(said: Option<&str>, email: &Email) -> String {
    let before = email.as_str().split('@').next().unwrap_or_default();
    let said = said.map(str::trim).filter(|said| !said.is_empty()).unwrap_or(before);
    said.chars().filter(|c| !c.is_control()).take(NAME_MAX_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn account(active: bool, email_verified: bool) -> Account {
        let user = User {
            id: UserId::fresh(Timestamp::UNIX_EPOCH),
            email: "ana@example.org".to_owned(),
            name: "Ana".to_owned(),
            created_at: Timestamp::UNIX_EPOCH,
        };
        let password_hash = Some("hash".to_owned());
        Account { user, password_hash, active, may_reactivate: true, email_verified }
    }

    #[test]
    fn an_address_counts_when_both_sides_have_proved_it() {
        let proven = account(true, true);
        assert_eq!(lead(true, Some(&proven), false), Lead::Join);
        assert_eq!(lead(true, None, true), Lead::Register);
        let nowhere = [
            (false, Some(&proven), NoWay::EmailUnverified),
            (false, None, NoWay::EmailUnverified),
            (true, Some(&account(true, false)), NoWay::AccountUnproven),
            (true, Some(&account(false, true)), NoWay::AccountDeactivated),
        ];
        for (verified, account, why) in nowhere {
            assert_eq!(lead(verified, account, true), Lead::Nowhere(why));
        }
        assert_eq!(lead(true, None, false), Lead::Nowhere(NoWay::RegistrationClosed));
    }

    #[test]
    fn a_name_is_taken_over_in_one_line() {
        let email = Email::of("ana@example.org");
        assert_eq!(name(Some(" Ana\nLopes "), &email), "AnaLopes");
        assert_eq!(name(Some("  "), &email), "ana");
        assert_eq!(name(None, &email), "ana");
    }
}
