//! Which slice answers a request, found by its path once.
//!
//! actix tries one pattern after the other, each a regular expression, and looks for the pattern of
//! the answer's route in the same way: with some 300 operations that was half of what a worker did.
//! The document knows every operation's method and path. From it comes a tree of path segments, and
//! actix tries the patterns of one slice alone.

use std::collections::HashMap;

use actix_web::HttpMessage;
use actix_web::dev::ServiceResponse;
use actix_web::guard::{Guard, GuardContext};
use actix_web::http::Method;
use utoipa::openapi::OpenApi;
use utoipa::openapi::path::PathItem;

/// What answers a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// The place of its slice.
    slice: usize,
    /// Its path with names in braces.
    pattern: &'static str,
}

/// All operations of all slices.
#[derive(Debug)]
pub struct Switch {
    nodes: Vec<Node>,
}

#[derive(Debug, Default)]
struct Node {
    literal: HashMap<String, usize>,
    /// Any one segment that is not empty.
    named: Option<usize>,
    routes: Vec<(Method, Route)>,
}

impl Switch {
    /// Of the slices' documents, each known by its place.
    ///
    /// It lives as long as the process: so do the patterns.
    #[must_use]
    pub fn new(documents: &[OpenApi]) -> Self {
        let mut switch = Self { nodes: vec![Node::default()] };
        for (slice, document) in documents.iter().enumerate() {
            for (path, item) in &document.paths.paths {
                let pattern: &'static str = Box::leak(path.clone().into_boxed_str());
                for method in methods(item) {
                    switch.add(method, Route { slice, pattern });
                }
            }
        }
        switch
    }

    fn add(&mut self, method: Method, route: Route) {
        let mut at = 0;
        for segment in segments(route.pattern) {
            let fresh = self.nodes.len();
            let Some(node) = self.nodes.get_mut(at) else { return };
            at = if segment.starts_with('{') {
                *node.named.get_or_insert(fresh)
            } else {
                *node.literal.entry(segment.to_owned()).or_insert(fresh)
            };
            if at == fresh {
                self.nodes.push(Node::default());
            }
        }
        if let Some(node) = self.nodes.get_mut(at) {
            node.routes.push((method, route));
        }
    }

    /// What answers this method of this path; a name in full comes before any.
    #[must_use]
    pub fn find(&self, method: &Method, path: &str) -> Option<Route> {
        self.find_below(0, method, path.strip_prefix('/')?)
    }

    fn find_below(&self, at: usize, method: &Method, rest: &str) -> Option<Route> {
        let node = self.nodes.get(at)?;
        let (segment, rest) = match rest.split_once('/') {
            Some((segment, rest)) => (segment, Some(rest)),
            None => (rest, None),
        };
        let below = |at: usize| match rest {
            Some(rest) => self.find_below(at, method, rest),
            None => self.nodes.get(at)?.route(method),
        };
        let literal = node.literal.get(segment).and_then(|at| below(*at));
        literal.or_else(|| node.named.filter(|_| !segment.is_empty()).and_then(below))
    }
}

impl Node {
    fn route(&self, method: &Method) -> Option<Route> {
        self.routes.iter().find(|(of, _)| of == method).map(|(_, route)| *route)
    }
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.strip_prefix('/').unwrap_or(path).split('/')
}

fn methods(item: &PathItem) -> impl Iterator<Item = Method> {
    let all = [
        (Method::GET, &item.get),
        (Method::POST, &item.post),
        (Method::PUT, &item.put),
        (Method::PATCH, &item.patch),
        (Method::DELETE, &item.delete),
    ];
    all.into_iter().filter(|(_, operation)| operation.is_some()).map(|(method, _)| method)
}

/// Lets the requests of one slice pass.
pub struct Slice {
    /// All operations.
    pub switch: &'static Switch,
    /// The place of the slice.
    pub number: usize,
}

impl Guard for Slice {
    fn check(&self, request: &GuardContext<'_>) -> bool {
        let known = request.req_data().get::<Option<Route>>().copied();
        let route = known.unwrap_or_else(|| {
            let head = request.head();
            let found = self.switch.find(&head.method, head.uri.path());
            request.req_data_mut().insert(found);
            found
        });
        route.is_some_and(|route| route.slice == self.number)
    }
}

/// The path of the route that answered, with names in braces.
pub(crate) fn pattern<B>(response: &ServiceResponse<B>) -> Option<String> {
    let known = response.request().extensions().get::<Option<Route>>().copied().flatten();
    known.map(|route| route.pattern.to_owned()).or_else(|| response.request().match_pattern())
}

#[cfg(test)]
mod tests {
    use utoipa::openapi::HttpMethod;
    use utoipa::openapi::path::{OperationBuilder, PathItem, PathsBuilder};

    use super::*;

    fn document(paths: &[(HttpMethod, &str)]) -> OpenApi {
        let mut all = PathsBuilder::new();
        for (method, path) in paths {
            let operation = OperationBuilder::new().build();
            all = all.path(*path, PathItem::new(method.clone(), operation));
        }
        OpenApi::new(utoipa::openapi::Info::new("test", "1"), all.build())
    }

    #[test]
    fn a_request_finds_the_slice_of_its_method_and_path() {
        let switch = Switch::new(&[
            document(&[
                (HttpMethod::Get, "/v/{venue}/shows"),
                (HttpMethod::Post, "/v/{venue}/shows"),
                (HttpMethod::Get, "/v/{venue}/shows/{show}"),
            ]),
            document(&[
                (HttpMethod::Patch, "/v/{venue}/shows/{show}"),
                (HttpMethod::Get, "/v/{venue}/shows/figures"),
                (HttpMethod::Get, "/v/mine/{what}/{which}/all"),
            ]),
        ]);
        let found = |method, path| switch.find(&method, path).map(|it| (it.slice, it.pattern));
        assert_eq!(found(Method::POST, "/v/7/shows"), Some((0, "/v/{venue}/shows")));
        assert_eq!(found(Method::GET, "/v/7/shows/1"), Some((0, "/v/{venue}/shows/{show}")));
        assert_eq!(found(Method::PATCH, "/v/7/shows/1"), Some((1, "/v/{venue}/shows/{show}")));
        let figures = Some((1, "/v/{venue}/shows/figures"));
        assert_eq!(found(Method::GET, "/v/7/shows/figures"), figures);
        // What is named in full leads nowhere: what has a name for any does.
        assert_eq!(found(Method::PATCH, "/v/7/shows/figures").map(|it| it.0), Some(1));
        assert_eq!(found(Method::GET, "/v/mine/shows").map(|it| it.0), Some(0));
        for path in ["/v/7/shows/", "/v//shows", "v/7/shows", "/v/7", "/", "", "/v/7/shows/1/2"] {
            assert_eq!(found(Method::GET, path), None, "{path}");
        }
        assert_eq!(found(Method::DELETE, "/v/7/shows"), None);
    }
}
