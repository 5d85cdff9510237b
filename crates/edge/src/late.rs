//! Refusals that wait until the caller is let in.
//!
//! actix polls all extractors of a handler together and answers the first error. While the actor's
//! standing is read in the database, a word about a header or the body would come first, and tell
//! a stranger what only members may try.

use std::future::{Ready, ready};

use actix_web::{HttpMessage as _, HttpRequest};
use futures_util::future::{Either, FutureExt as _, LocalBoxFuture, Shared};
use tokio::sync::oneshot;

use crate::rejection::Rejection;

/// What an extractor found; a refusal comes after the actor's.
pub type Late<T> =
    Either<Ready<Result<T, Rejection>>, LocalBoxFuture<'static, Result<T, Rejection>>>;

#[derive(Clone)]
struct Decided(Shared<oneshot::Receiver<()>>);

/// The outcome of an extractor that stands behind the actor.
#[must_use]
pub fn late<T: 'static>(request: &HttpRequest, outcome: Result<T, Rejection>) -> Late<T> {
    if outcome.is_ok() {
        return Either::Left(ready(outcome));
    }
    let decided = decided(request);
    Either::Right(decided.map(|()| outcome).boxed_local())
}

/// From now on refusals wait until the returned value is dropped.
pub(crate) fn deciding(request: &HttpRequest) -> oneshot::Sender<()> {
    let (deciding, decided) = oneshot::channel();
    request.extensions_mut().insert(Decided(decided.shared()));
    deciding
}

/// Until the actor is decided; at once where that took no time.
pub(crate) fn decided(request: &HttpRequest) -> impl Future<Output = ()> + use<> {
    let decided = request.extensions().get::<Decided>().cloned();
    async move {
        if let Some(Decided(decided)) = decided {
            // Its end is all there is to know.
            let _ = decided.await;
        }
    }
}
