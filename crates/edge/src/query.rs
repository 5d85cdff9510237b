//! A query's parameters: `Query<Page>`. What is wrong with them is said after the actor is let in.

use std::ops::Deref;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};
use kernel::problem::Problem;
use serde::de::DeserializeOwned;

use crate::late::{Late, late};
use crate::rejection::Rejection;

/// The parameters, by name.
#[derive(Clone, Copy, Debug)]
pub struct Query<T>(pub T);

impl<T> Deref for Query<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> Query<T> {
    /// The value itself.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T: DeserializeOwned + 'static> FromRequest for Query<T> {
    type Error = Rejection;
    type Future = Late<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let query = web::Query::<T>::from_query(request.query_string());
        let read = query.map(|query| Self(query.into_inner())).map_err(|error| {
            let detail =
                format!("The query cannot be read: {error}. See /docs for its parameters.");
            Problem::new(400, "bad_query", "The query is broken", detail).into()
        });
        late(request, read)
    }
}
