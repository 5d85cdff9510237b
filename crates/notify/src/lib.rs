#![doc = include_str!("../README.md")]

mod error;
mod forget_mails;
mod mail;
mod mailer;
mod pause;
mod send_mails;
pub mod store;

pub use error::{MailError, NotAMailer};
pub use forget_mails::forget_mails;
pub use mail::{Mail, MailId, queue_mail};
pub use mailer::{Mailer, Way};
pub use send_mails::{Waiting, send_mails, waiting};
