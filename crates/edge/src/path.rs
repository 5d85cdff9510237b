//! A path's parameters by name: `Path<ShowPath>` with `struct ShowPath { show: ShowId }`.
//!
//! An id that cannot be one names nothing: 404, like any other that does not exist.

use std::ops::Deref;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use serde::de::DeserializeOwned;

use crate::late::{Late, late};
use crate::rejection::{Rejection, no_such_route};

/// The parameters, by name.
#[derive(Clone, Copy, Debug)]
pub struct Path<T>(pub T);

impl<T> Deref for Path<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: DeserializeOwned + 'static> FromRequest for Path<T> {
    type Error = Rejection;
    type Future = Late<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let path = actix_web::web::Path::<T>::extract(request).into_inner();
        late(
            request,
            path.map(|path| Self(path.into_inner()))
                .map_err(|_| no_such_route(404, request.path()).into()),
        )
    }
}
