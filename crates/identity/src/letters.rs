//! The words of the mails that this slice sends. Secrets stand behind the `#` of a link: no server
//! and no log ever sees that part.

use kernel::role::Role;
use notify::Mail;

/// Sets a new password.
pub(crate) fn reset(to: &str, public_url: &str, token: &str) -> Mail {
    let text = format!(
        "Somebody, probably you, wants a new password for this address.\n\n\
         Choose one here within an hour:\n{public_url}/reset-password#token={token}\n\n\
         If it was not you, do nothing: the password stays as it is.\n"
    );
    mail(to, "Choose a new password", text, "password_reset")
}

/// The password was changed.
pub(crate) fn password_changed(to: &str, public_url: &str) -> Mail {
    let text = format!(
        "The password of this account was changed, and other devices were signed out.\n\n\
         If it was not you, choose another one at once:\n{public_url}/forgot-password\n"
    );
    mail(to, "Your password was changed", text, "password_changed")
}

/// A login at a provider opens the account from now on.
pub(crate) fn login_linked(to: &str, provider: &str, public_url: &str) -> Mail {
    let text = format!(
        "You can sign in to this account with {provider} from now on.\n\n\
         If it was not you, choose a new password at once:\n{public_url}/forgot-password\n"
    );
    mail(to, &format!("Sign-in with {provider}"), text, "login_linked")
}

/// A login at a provider opens the account no more.
pub(crate) fn login_unlinked(to: &str, provider: &str, public_url: &str) -> Mail {
    let text = format!(
        "{provider} does not sign you in to this account any more.\n\n\
         If it was not you, choose a new password at once:\n{public_url}/forgot-password\n"
    );
    mail(to, &format!("No sign-in with {provider}"), text, "login_unlinked")
}

/// Invites to a venue.
pub(crate) fn invitation(
    (to, role): (&str, Role),
    venue: &str,
    public_url: &str,
    token: &str,
) -> Mail {
    // A name is somebody's words: one line of it, whatever they wrote.
    let venue: String = venue.chars().filter(|c| !c.is_control()).collect();
    let role = role.as_str().replace('_', " ");
    let text = format!(
        "You are invited to work at {venue}, as {role}.\n\n\
         Accept within seven days:\n{public_url}/invitation#token={token}\n\n\
         If you do not know why you get this, do nothing.\n"
    );
    mail(to, &format!("Invitation to {venue}"), text, "invitation")
}

fn mail(to: &str, subject: &str, text: String, kind: &'static str) -> Mail {
    Mail {
        to: to.to_owned(),
        subject: subject.to_owned(),
        text,
        html: None,
        attachments: Vec::new(),
        kind,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_stands_where_no_server_sees_it() {
        let mails = [
            reset("ana@example.org", "https://example.org", "SECRET"),
            invitation(
                ("ana@example.org", Role::BoxOffice),
                "A\nB",
                "https://example.org",
                "SECRET",
            ),
        ];
        for mail in mails {
            assert!(mail.text.contains("#token=SECRET\n"), "{}", mail.text);
            assert!(!mail.subject.contains("SECRET") && !mail.subject.contains('\n'));
        }
    }
}
