//! The OpenAPI document, the document of events, and the pages that show them.

use std::fs;

use actix_web::dev::ResourceDef;
use actix_web::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderValue, LOCATION,
};
use actix_web::web::{Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, ResponseError, get, web};
use anyhow::Context;
use edge::Rejection;
use edge::rejection::no_such_route;
use serde_json::Value;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi, PartialSchema};
use utoipa_swagger_ui::Config;

use crate::config::Openapi;
use crate::legacy;
use crate::operations::{self, permission};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Rowlock",
        description = "The live back end of a venue: shows, seats, holds and bookings, live on \
                       every worker.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    servers((url = "/", description = "This server")),
    tags(
        (name = "identity", description = "Who somebody is, and what they are in a venue"),
        (name = "booking", description = "Shows, their seats, and who has them"),
        (name = "tickets", description = "Tickets, their codes, and the doors that scan them"),
        (name = "gala", description = "Guests with tickets choose their chairs at tables"),
        (name = "floor", description = "Tables, parties, reservations and the waitlist"),
        (name = "payments", description = "Bills, and the money for them"),
        (name = "spa", description = "Catalogue, orders, therapists, rooms and cashiers"),
        (name = "realtime", description = "Events as they happen"),
        (name = "audit", description = "What privileged people did"),
        (name = "operations", description = "The server itself"),
    ),
    // What every refusal looks like: responses name it, and nothing else collects it.
    components(schemas(kernel::problem::ProblemBody)),
    modifiers(&Bearer),
)]
struct Root;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let http = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
        let components = document.components.get_or_insert_with(Default::default);
        components.add_security_scheme("bearer", SecurityScheme::Http(http));
    }
}

/// The API's document, with the permission of each operation from the one table.
pub(crate) fn openapi() -> Value {
    let mut document = Root::openapi();
    for slice in crate::routes::documents() {
        document.merge(slice);
    }
    let mut document = serde_json::to_value(document).unwrap_or_default();
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    for path in paths.into_iter().flat_map(|paths| paths.values_mut()) {
        for operation in path.as_object_mut().into_iter().flat_map(|path| path.values_mut()) {
            secure(operation);
            show_files(operation);
        }
    }
    legacy::add_to(&mut document);
    document
}

/// Says who may, in words and as `security`: from the table, so that it cannot differ from it.
fn secure(operation: &mut Value) {
    let Some(name) = operation.get("operationId").and_then(Value::as_str) else { return };
    let Some(permission) = permission(name) else { return };
    let grant = permission.grant();
    let security = if grant.anyone {
        serde_json::json!([{}, { "bearer": [] }])
    } else {
        serde_json::json!([{ "bearer": [] }])
    };
    let mut who: Vec<&str> = grant.owner.then_some("owner").into_iter().collect();
    who.extend(grant.roles.iter().map(|role| role.as_str()));
    if grant.customer {
        who.push("customer");
    }
    if !grant.owner {
        who.push("device");
    }
    let who = if grant.anyone { "anyone".to_owned() } else { who.join(", ") };
    if let Some(operation) = operation.as_object_mut() {
        operation.insert("security".into(), security);
        operation.insert("x-permission".into(), permission.name().into());
        operation.insert("x-who-may".into(), who.into());
    }
}

/// A file is no list of numbers, as which `Vec<u8>` would be shown.
fn show_files(operation: &mut Value) {
    let numbers = serde_json::to_value(Vec::<u8>::schema()).unwrap_or_default();
    let mut parts = vec![operation];
    while let Some(part) = parts.pop() {
        let Some(part) = part.as_object_mut() else { continue };
        if part.get("schema") == Some(&numbers) {
            part.insert("schema".into(), serde_json::json!({"type": "string", "format": "binary"}));
        }
        parts.extend(part.values_mut());
    }
}

/// The document of events.
pub(crate) fn events() -> Value {
    realtime::events_document(
        &[
            identity::EVENTS,
            booking::EVENTS,
            tickets::EVENTS,
            gala::EVENTS,
            floor::EVENTS,
            spa::EVENTS,
            payments::EVENTS,
        ]
        .concat(),
    )
}

/// `rowlock openapi`
pub(crate) fn write(to: &Openapi) -> anyhow::Result<()> {
    fs::create_dir_all(&to.out).with_context(|| format!("cannot make {}", to.out.display()))?;
    for (name, document) in [("rowlock.json", openapi()), ("events.json", events())] {
        let file = to.out.join(name);
        let text = format!("{}\n", serde_json::to_string_pretty(&document)?);
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
        println!("wrote {}", file.display());
    }
    let file = to.out.join("permissions.md");
    fs::write(&file, operations::page())
        .with_context(|| format!("cannot write {}", file.display()))?;
    println!("wrote {}", file.display());
    Ok(())
}

struct Documents {
    openapi: String,
    events: String,
    ui: Config<'static>,
    paths: Vec<(ResourceDef, String)>,
}

/// The patterns of all documented paths, each with the methods that it has.
fn paths(document: &Value) -> Vec<(ResourceDef, String)> {
    let paths = document.get("paths").and_then(Value::as_object);
    let methods = |path: &Value| {
        let names = path.as_object().into_iter().flat_map(|path| path.keys());
        names.map(|name| name.to_uppercase()).collect::<Vec<_>>().join(", ")
    };
    paths
        .into_iter()
        .flatten()
        .map(|(pattern, path)| (ResourceDef::new(pattern.as_str()), methods(path)))
        .collect()
}

/// Whether an `Allow` has the method.
fn has(methods: &str, method: &str) -> bool {
    methods.split(", ").any(|known| known == method)
}

/// What no route took: an unknown path, or a known one with another method.
async fn no_route(request: HttpRequest, documents: Data<Documents>) -> HttpResponse {
    let path = request.path();
    match documents.paths.iter().find(|(pattern, _)| pattern.is_match(path)) {
        // It has the method: what stands for a part of it names nothing.
        Some((_, methods)) if has(methods, request.method().as_str()) => {
            Rejection::from(no_such_route(404, path)).error_response()
        }
        Some((_, methods)) => {
            let mut answer = Rejection::from(no_such_route(405, path)).error_response();
            if let Ok(methods) = HeaderValue::from_str(methods) {
                answer.headers_mut().insert(ALLOW, methods);
            }
            answer
        }
        None => Rejection::from(no_such_route(404, path)).error_response(),
    }
}

/// The documents and the pages that show them.
pub(crate) fn routes(cfg: &mut ServiceConfig) {
    let openapi = openapi();
    cfg.app_data(Data::new(Documents {
        paths: paths(&openapi),
        openapi: openapi.to_string(),
        events: events().to_string(),
        ui: Config::from("/openapi.json"),
    }));
    cfg.default_service(web::to(no_route));
    cfg.service(openapi_json).service(events_json).service(docs).service(docs_files);
}

#[get("/openapi.json")]
async fn openapi_json(documents: Data<Documents>) -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(documents.openapi.clone())
}

#[get("/events.json")]
async fn events_json(documents: Data<Documents>) -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(documents.events.clone())
}

#[get("/docs")]
async fn docs() -> HttpResponse {
    HttpResponse::Found().insert_header((LOCATION, "/docs/")).finish()
}

/// The page and its files, from the binary: nothing is loaded from another host.
#[get("/docs/{file:.*}")]
async fn docs_files(file: web::Path<String>, documents: Data<Documents>) -> HttpResponse {
    let name = if file.is_empty() { "index.html" } else { file.as_str() };
    match utoipa_swagger_ui::serve(name, documents.ui.clone().into()) {
        Ok(Some(found)) => HttpResponse::Ok()
            .content_type(found.content_type)
            .insert_header((CACHE_CONTROL, "no-cache"))
            .insert_header((
                CONTENT_SECURITY_POLICY,
                "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:",
            ))
            .body(found.bytes.to_vec()),
        Ok(None) | Err(_) => HttpResponse::NotFound().finish(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn no_two_slices_call_different_things_the_same() {
        let mut known: BTreeMap<String, Value> = BTreeMap::new();
        let mut wrong = Vec::new();
        for slice in crate::routes::documents() {
            let schemas = slice.components.map(|components| components.schemas).unwrap_or_default();
            for (name, schema) in schemas {
                let schema = serde_json::to_value(schema).unwrap();
                if known.insert(name.clone(), schema.clone()).is_some_and(|other| other != schema) {
                    wrong.push(name);
                }
            }
        }
        assert!(wrong.is_empty(), "merged, one of them wins and the other is a lie: {wrong:?}");
    }

    #[test]
    fn files_are_bytes_and_no_lists_of_numbers() {
        let document = openapi();
        let path = "/paths/~1api~1v1~1venues~1{venue}~1tickets~1{ticket}~1qr/get/responses/200";
        let picture = document.pointer(&format!("{path}/content/image~1png/schema"));
        let bytes = serde_json::json!({"type": "string", "format": "binary"});
        assert_eq!(picture, Some(&bytes));
    }
}
