#![doc = include_str!("../README.md")]

mod erase_person;
mod error;
mod forget_mails;
mod mail;
mod mailer;
mod outcomes;
mod pause;
mod push;
mod pusher;
mod send_mails;
mod send_pushes;
pub mod store;

pub use erase_person::{MailKept, erase_person, export_person};
pub use error::{MailError, NotAMailer};
pub use forget_mails::forget_mails;
pub use mail::{Attachment, Mail, MailId, queue_mail};
pub use mailer::{Mailer, Way};
pub use outcomes::{Outcome, outcomes};
pub use push::{Push, queue_push};
pub use pusher::Pusher;
pub use send_mails::{Waiting, send_mails, waiting};
pub use send_pushes::{forget_pushes, send_pushes};
