//! Whoever takes cards for us. Never called inside a transaction.

use futures_util::future::LocalBoxFuture;
use jiff::Timestamp;
use kernel::ids::{PaymentId, RefundId, VenueId};
use kernel::money::Money;

use crate::model::CardStep;

/// A charge to be asked for.
#[derive(Clone, Copy, Debug)]
pub struct Charge {
    /// Whose.
    pub venue: VenueId,
    /// The payment: also the key under which asking twice is asking once.
    pub payment: PaymentId,
    /// Amount and tip.
    pub sum: Money,
}

/// A refund to be asked for.
#[derive(Clone, Debug)]
pub struct GiveBack {
    /// Whose.
    pub venue: VenueId,
    /// The refund: also the key under which asking twice is asking once.
    pub refund: RefundId,
    /// The provider's name for the payment.
    pub reference: String,
    /// Amount and tip.
    pub sum: Money,
}

/// A charge as the provider has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// What the customer's form needs, and the provider's name for the charge.
    pub step: CardStep,
    /// Where it stands.
    pub status: IntentStatus,
}

/// Where a charge stands at the provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IntentStatus {
    /// The customer may still pay; what went wrong last, if something did.
    Open(Option<String>),
    /// So much is there, in minor units.
    Paid(i64),
    /// Nobody can pay it any more.
    Over,
}

/// Money that goes back, as the provider has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Returned {
    /// The provider's name for it.
    pub reference: String,
    /// Where it stands.
    pub status: ReturnStatus,
}

/// Where money that goes back stands at the provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReturnStatus {
    /// The provider has taken it on, the customer's bank has not taken it yet.
    UnderWay,
    /// The customer has it.
    Done,
    /// It came to nothing, and why: the venue still has the money.
    Failed(String),
}

/// Why a provider did not do it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// It does not answer, or not in time: it may have done it. The same key asks again.
    #[error("the provider is away: {0}")]
    Away(String),
    /// It refuses for good.
    #[error("the provider refuses: {0}")]
    Refused(String),
}

/// What a provider tells us by itself, once its signature has been checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Its own id: a notice that comes again has the same.
    pub id: String,
    /// Its own word for what happened.
    pub kind: String,
    /// Whose, as we wrote it into the charge.
    pub venue: VenueId,
    /// The payment, as we wrote it into the charge.
    pub payment: PaymentId,
    /// The provider's name for the charge.
    pub reference: String,
    /// Where the charge stands.
    pub status: IntentStatus,
}

/// The same about money that goes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReturnNotice {
    /// Its own id.
    pub id: String,
    /// Its own word for what happened.
    pub kind: String,
    /// Whose, as we wrote it into the refund.
    pub venue: VenueId,
    /// The refund, as we wrote it there.
    pub refund: RefundId,
    /// Where it stands.
    pub returned: Returned,
}

/// What was read of a provider's message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// It is about a charge of ours.
    Notice(Notice),
    /// It is about a refund of ours.
    Returned(ReturnNotice),
    /// It is about something else: taken and forgotten.
    Other,
}

/// The message cannot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadMessage {
    /// Not signed by the provider, or too old.
    Signature,
    /// Not what the provider sends.
    Shape,
}

/// A future on the thread that asks.
pub type Asking<'a, T> = LocalBoxFuture<'a, Result<T, ProviderError>>;

/// A card provider.
pub trait Provider: Send + Sync {
    /// Its name in paths and rows.
    fn name(&self) -> &'static str;
    /// Makes a charge that the customer can pay.
    fn charge(&self, charge: Charge) -> Asking<'_, Intent>;
    /// Where a charge stands.
    fn look<'a>(&'a self, reference: &'a str) -> Asking<'a, Intent>;
    /// Makes sure that nobody can pay it any more; if somebody has, says so.
    fn cancel<'a>(&'a self, reference: &'a str) -> Asking<'a, Intent>;
    /// Gives money back, or begins to.
    fn give_back(&self, back: GiveBack) -> Asking<'_, Returned>;
    /// Where money stands that it has begun to give back.
    fn look_back<'a>(&'a self, reference: &'a str) -> Asking<'a, Returned>;
    /// Reads a message, if it is the provider's own: `header` is what it signed it with.
    ///
    /// # Errors
    /// `BadMessage`.
    fn read(&self, header: &str, body: &[u8], now: Timestamp) -> Result<Message, BadMessage>;
    /// The name of the header with the signature.
    fn signature_header(&self) -> &'static str;
}
