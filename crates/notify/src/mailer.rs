//! The ways out: an SMTP server, or a folder of files.

use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lettre::message::header::ContentType;
use lettre::message::{Mailbox, MultiPart, SinglePart};
use lettre::transport::smtp::PoolConfig;
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};

use crate::error::{MailError, NotAMailer};
use crate::mail::Attachment;
use crate::store::Due;

/// How long a mail server may take for one command.
const COMMAND_MAX: Duration = Duration::from_secs(20);
/// Connections to the mail server of one worker.
const CONNECTIONS_MAX: u32 = 2;
/// Who mails from a folder are from, unless told.
const NOBODY: &str = "Rowlock <rowlock@localhost>";

/// How mails leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Through a mail server.
    Smtp,
    /// Into a folder.
    Outbox,
    /// Not at all: they stay queued.
    Nobody,
}

impl Way {
    /// Its word in `/health`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Smtp => "smtp",
            Self::Outbox => "outbox",
            Self::Nobody => "nobody",
        }
    }
}

#[derive(Clone)]
enum Out {
    Smtp(AsyncSmtpTransport<Tokio1Executor>),
    Outbox(PathBuf),
    Nobody,
}

/// Sends mails. Clones share its connections.
#[derive(Clone)]
pub struct Mailer {
    out: Out,
    from: Mailbox,
}

impl Mailer {
    /// Through the server at `url`, from the address `from`.
    ///
    /// # Errors
    /// When the URL or the address is none, or mails would leave this machine without TLS.
    pub fn smtp(url: &str, from: &str) -> Result<Self, NotAMailer> {
        if is_in_the_clear(url) {
            return Err(NotAMailer(
                "SMTP_URL would send mails in the clear. Use smtps://…, or smtp://…?tls=required."
                    .to_owned(),
            ));
        }
        // The error could repeat the password.
        let server = AsyncSmtpTransport::<Tokio1Executor>::from_url(url).map_err(|_| {
            NotAMailer("SMTP_URL is not like smtps://user:password@host:465".to_owned())
        })?;
        let pool = PoolConfig::new().max_size(CONNECTIONS_MAX);
        let server = server.timeout(Some(COMMAND_MAX)).pool_config(pool).build();
        Ok(Self { out: Out::Smtp(server), from: sender(from)? })
    }

    /// Into `folder`, one file for each mail.
    ///
    /// # Errors
    /// When the folder cannot be made or the address is none.
    pub fn outbox(folder: &Path, from: Option<&str>) -> Result<Self, NotAMailer> {
        std::fs::create_dir_all(folder).map_err(|error| {
            NotAMailer(format!("MAIL_OUTBOX {} cannot be made: {error}", folder.display()))
        })?;
        Ok(Self { out: Out::Outbox(folder.to_owned()), from: sender(from.unwrap_or(NOBODY))? })
    }

    /// Not at all: mails stay queued.
    ///
    /// # Errors
    /// None: the sender is our own.
    pub fn nobody() -> Result<Self, NotAMailer> {
        Ok(Self { out: Out::Nobody, from: sender(NOBODY)? })
    }

    /// How mails leave.
    #[must_use]
    pub fn way(&self) -> Way {
        match self.out {
            Out::Smtp(_) => Way::Smtp,
            Out::Outbox(_) => Way::Outbox,
            Out::Nobody => Way::Nobody,
        }
    }

    pub(crate) async fn send(&self, mail: &Due) -> Result<(), MailError> {
        let message = self.message(mail)?;
        match &self.out {
            Out::Smtp(server) => server.send(message).await.map(drop).map_err(|error| {
                let status = error.status().map_or("no status".to_owned(), |code| code.to_string());
                if error.is_permanent() {
                    MailError::Refused(status)
                } else if error.is_timeout() {
                    MailError::Later("timeout".to_owned())
                } else {
                    MailError::Later(status)
                }
            }),
            Out::Outbox(folder) => write(folder.clone(), mail.id.to_string(), message).await,
            Out::Nobody => Err(MailError::NoWay),
        }
    }

    fn message(&self, mail: &Due) -> Result<Message, MailError> {
        let to = mail.to.parse().map(|address| Mailbox::new(None, address));
        let to = to.map_err(|_| MailError::Refused("the address is none".to_owned()))?;
        let host = self.from.email.domain();
        let builder = Message::builder()
            .from(self.from.clone())
            .to(to)
            .subject(mail.subject.clone())
            // The same for every try, so that a reader can drop the second.
            .message_id(Some(format!("<{}@{host}>", mail.id)));
        let message = match (&mail.html, mail.attachments.as_slice()) {
            (None, []) => builder.header(ContentType::TEXT_PLAIN).body(mail.text.clone()),
            (Some(html), []) => builder
                .multipart(MultiPart::alternative_plain_html(mail.text.clone(), html.clone())),
            _ => builder.multipart(with_files(mail)?),
        };
        message.map_err(|_| cannot_be_written())
    }
}

/// Words, the pictures that the HTML shows, and what is to be saved.
fn with_files(mail: &Due) -> Result<MultiPart, MailError> {
    let (shown, saved): (Vec<_>, Vec<_>) =
        mail.attachments.iter().partition(|file| file.content_id.is_some());
    let words = match &mail.html {
        None => MultiPart::mixed().singlepart(SinglePart::plain(mail.text.clone())),
        Some(html) => {
            let mut html = MultiPart::related().singlepart(SinglePart::html(html.clone()));
            for file in shown {
                html = html.singlepart(part(file)?);
            }
            let both = MultiPart::alternative().singlepart(SinglePart::plain(mail.text.clone()));
            MultiPart::mixed().multipart(both.multipart(html))
        }
    };
    saved.into_iter().try_fold(words, |words, file| Ok(words.singlepart(part(file)?)))
}

fn part(file: &Attachment) -> Result<SinglePart, MailError> {
    let kind = ContentType::parse(&file.content_type).map_err(|_| cannot_be_written())?;
    let bytes = STANDARD.decode(&file.base64).map_err(|_| cannot_be_written())?;
    let place = match &file.content_id {
        Some(id) => lettre::message::Attachment::new_inline(id.clone()),
        None => lettre::message::Attachment::new(file.name.clone()),
    };
    Ok(place.body(bytes, kind))
}

fn cannot_be_written() -> MailError {
    MailError::Refused("it cannot be written".to_owned())
}

/// A file appears whole or not at all: whoever watches the folder never reads half a mail.
async fn write(folder: PathBuf, name: String, message: Message) -> Result<(), MailError> {
    let written = tokio::task::spawn_blocking(move || {
        let half = folder.join(format!(".{name}"));
        std::fs::write(&half, message.formatted())?;
        std::fs::rename(&half, folder.join(format!("{name}.eml")))
    });
    let failed = |_| MailError::Later("the outbox cannot be written".to_owned());
    written.await.map_or(Err(MailError::Later("stopped".to_owned())), |done| done.map_err(failed))
}

fn sender(from: &str) -> Result<Mailbox, NotAMailer> {
    from.parse()
        .map_err(|_| NotAMailer("MAIL_FROM is not like Rowlock <tickets@example.org>".to_owned()))
}

/// `smtp://` without TLS to anything but this machine.
fn is_in_the_clear(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("smtp://") else { return false };
    let (authority, query) = rest.split_once('?').unwrap_or((rest, ""));
    if query.split('&').any(|pair| pair == "tls=required") {
        return false;
    }
    let authority = authority.split('/').next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let local = ["localhost", "127.0.0.1", "[::1]"];
    !local.iter().any(|name| host == *name || host.starts_with(&format!("{name}:")))
}

#[cfg(test)]
#[path = "mailer_tests.rs"]
mod tests;
