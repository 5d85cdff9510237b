//! A mail as a slice queues it.

use pg::{DbError, Tx};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::store;

/// The id of a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MailId(pub Uuid);

/// A mail to one person.
#[derive(Clone, PartialEq, Eq)]
pub struct Mail {
    /// The address.
    pub to: String,
    /// One line.
    pub subject: String,
    /// The words.
    pub text: String,
    /// The same for readers that show HTML.
    pub html: Option<String>,
    /// What comes with it.
    pub attachments: Vec<Attachment>,
    /// What it is about, for metrics: `password_reset`.
    pub kind: &'static str,
}

/// A file in a mail.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attachment {
    /// What the file is called: `ticket.png`.
    pub name: String,
    /// What it is: `image/png`.
    pub content_type: String,
    /// The file in Base64.
    pub base64: String,
    /// Where the HTML shows it: `<img src=\"cid:qr\">`. Without, it is to be saved.
    pub content_id: Option<String>,
}

// Whoever it is for and what is in it belong in no log.
impl std::fmt::Debug for Mail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mail").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Attachment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Attachment").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Queues `mail` in the transaction that is its reason: it is sent if and only if that commits.
///
/// # Errors
/// None today; a slice need not care when there are some.
pub fn queue_mail(tx: &mut Tx, mail: Mail) -> Result<MailId, DbError> {
    let now = tx.now();
    let id = kernel::ids::fresh(now);
    let venue = tx.scope().venue_or_nil();
    store::insert_mail(tx, (venue, id), mail, now);
    Ok(MailId(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_is_never_printed() {
        let mail = Mail {
            to: "ana@example.org".to_owned(),
            subject: "Your password".to_owned(),
            text: "https://example.org/#token=secret".to_owned(),
            html: None,
            attachments: Vec::new(),
            kind: "password_reset",
        };
        assert_eq!(format!("{mail:?}"), "Mail { kind: \"password_reset\", .. }");
    }
}
