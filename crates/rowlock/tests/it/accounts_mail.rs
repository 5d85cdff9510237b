//! The mails of a bed: workers write them into a folder, tests read the links in them.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use testkit::{BedOptions, PATIENCE, wait_until};

/// A folder for mails, gone with the test.
pub(crate) struct Outbox(PathBuf);

impl Outbox {
    pub(crate) fn make() -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("rowlock-mail-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir_all(&folder)?;
        Ok(Self(folder))
    }

    /// Workers that send into it.
    pub(crate) fn bed(&self) -> BedOptions {
        testkit::Bed::with().env("MAIL_OUTBOX", &self.0.display().to_string())
    }

    /// The mails to `to` with `subject` in them, oldest first.
    pub(crate) fn mails(&self, to: &str, subject: &str) -> Result<Vec<String>> {
        let mut names: Vec<PathBuf> = std::fs::read_dir(&self.0)?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<_, _>>()?;
        names.retain(|name| name.extension().is_some_and(|end| end == "eml"));
        names.sort();
        let mut mails = Vec::new();
        for name in names {
            // Quoted-printable: long lines are folded, and `=` is written in full.
            let mail = std::fs::read_to_string(name)?.replace("=\r\n", "").replace("=3D", "=");
            if mail.contains(&format!("To: {to}")) && mail.contains(&format!("Subject: {subject}"))
            {
                mails.push(mail);
            }
        }
        Ok(mails)
    }

    /// Waits for the mail number `count` and gives it.
    pub(crate) async fn mail(&self, to: &str, subject: &str, count: usize) -> Result<String> {
        wait_until("a mail comes", PATIENCE, async || {
            Ok(self.mails(to, subject)?.into_iter().nth(count - 1))
        })
        .await
    }

    /// The secret in the link of the mail number `count`.
    pub(crate) async fn token(&self, to: &str, subject: &str, count: usize) -> Result<String> {
        let mail = self.mail(to, subject, count).await?;
        let (_, rest) = mail.split_once("#token=").context("there is no link in the mail")?;
        Ok(rest.split_whitespace().next().unwrap_or_default().to_owned())
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}
