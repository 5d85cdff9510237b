//! What taking money needs besides the transaction: who settles, and who takes cards.

use std::sync::Arc;

use crate::PaymentError;
use crate::provider::Provider;
use crate::subject::{Settle, Settlers};

/// Made once by the binary; clones share it.
#[derive(Clone)]
pub struct Till {
    settlers: Settlers,
    providers: Arc<[Box<dyn Provider>]>,
}

impl Till {
    /// A till for these subjects that takes cards through `providers`: none, and it takes cash and
    /// vouchers only. The first one takes new payments, the others answer for old ones.
    #[must_use]
    pub fn new(settlers: Settlers, providers: Vec<Box<dyn Provider>>) -> Self {
        Self { settlers, providers: providers.into() }
    }

    /// Who settles.
    #[must_use]
    pub fn settlers(&self) -> &Settlers {
        &self.settlers
    }

    pub(crate) fn settler(&self, kind: &str) -> Result<&dyn Settle, PaymentError> {
        self.settlers.of(kind).ok_or(PaymentError::NobodySettles)
    }

    /// Who takes new card payments.
    pub(crate) fn cards(&self) -> Result<&dyn Provider, PaymentError> {
        self.providers.first().map(AsRef::as_ref).ok_or(PaymentError::NoCards)
    }

    /// Whether cards are taken at all.
    #[must_use]
    pub fn takes_cards(&self) -> bool {
        !self.providers.is_empty()
    }

    pub(crate) fn provider(&self, name: &str) -> Result<&dyn Provider, PaymentError> {
        let found = self.providers.iter().find(|provider| provider.name() == name);
        found.map(AsRef::as_ref).ok_or(PaymentError::NoSuchProvider)
    }
}
