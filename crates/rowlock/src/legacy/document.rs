//! The old paths in the document: each is its successor with another path, and deprecated.

use serde_json::{Map, Value, json};

use super::paths::{ALIASES, About, Alias};

/// What stands for objects as the old app writes them.
const OBJECT: &str = "OldObject";

/// Adds the old paths to the finished document.
pub(crate) fn add_to(document: &mut Value) {
    let found: Vec<_> =
        ALIASES.iter().filter_map(|alias| Some((alias, entry(document, alias)?))).collect();
    let schemas = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut);
    if let Some(schemas) = schemas {
        let detail = "An object as the app of the earlier system writes it: whole, with its own \
                      names. What Rowlock does not know or lets nobody set is left away.";
        schemas.insert(
            OBJECT.to_owned(),
            json!({"type": "object", "additionalProperties": true, "description": detail}),
        );
    }
    let Some(paths) = document.get_mut("paths").and_then(Value::as_object_mut) else { return };
    for (alias, entry) in found {
        let path = paths.entry(alias.path).or_insert_with(|| Value::Object(Map::new()));
        if let Some(methods) = path.as_object_mut() {
            methods.insert(alias.method.to_owned(), entry);
        }
    }
}

fn find<'a>(document: &'a Value, operation: &str) -> Option<&'a Value> {
    let paths = document.get("paths")?.as_object()?.values();
    let mut all = paths.filter_map(Value::as_object).flat_map(Map::values);
    all.find(|it| it.get("operationId").is_some_and(|name| name == operation))
}

fn entry(document: &Value, alias: &Alias) -> Option<Value> {
    let successor = find(document, alias.operation)?;
    let mut entry = successor.as_object()?.clone();
    let allowed = alias.permission_of.and_then(|other| find(document, other)).unwrap_or(successor);
    for name in ["security", "x-permission", "x-who-may"] {
        entry.extend(allowed.get(name).map(|value| (name.to_owned(), value.clone())));
    }
    let summary = successor.get("summary").and_then(Value::as_str).unwrap_or_default();
    let detail = format!(
        "The path of the earlier system; `{}` takes its place. Answers carry `Deprecation`, and \
         `Link` with the successor. Beside their own names they have those that its app knows.",
        alias.operation
    );
    entry.insert("operationId".to_owned(), alias.name.into());
    entry.insert("summary".to_owned(), format!("{summary} (old path)").into());
    entry.insert("description".to_owned(), detail.into());
    entry.insert("deprecated".to_owned(), true.into());
    let parameters = parameters(alias);
    if parameters.is_empty() {
        entry.remove("parameters");
    } else {
        entry.insert("parameters".to_owned(), parameters.into());
    }
    if alias.has_body() {
        let schema = json!({"$ref": format!("#/components/schemas/{OBJECT}")});
        let body = json!({"content": {"application/json": {"schema": schema}}, "required": true});
        entry.insert("requestBody".to_owned(), body);
    }
    if let Some(schema) = answer(alias.about)
        && let Some(content) =
            entry.get_mut("responses").and_then(|it| it.pointer_mut("/200/content"))
    {
        *content = json!({"application/json": {"schema": schema}});
    }
    Some(Value::Object(entry))
}

fn parameters(alias: &Alias) -> Vec<Value> {
    let names = alias.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let of_path = names.map(|name| {
        let detail = if name == "venue" { "The venue: the restaurant." } else { "Which one." };
        json!({"name": name, "in": "path", "required": true, "description": detail,
            "schema": {"type": "string", "format": "uuid"}})
    });
    let query = (alias.about == About::Socket).then(|| {
        let detail = "The venue whose floor and parties the socket hears by itself. The token \
                      comes in the first frame: `{\"token\": …}`.";
        json!({"name": "restaurant_id", "in": "query", "required": true, "description": detail,
            "schema": {"type": "string", "format": "uuid"}})
    });
    of_path.chain(query).collect()
}

/// Where the answer is not the successor's with more names.
fn answer(about: About) -> Option<Value> {
    let list = |of: &str| json!({"type": "array", "items": {"$ref": format!("#/components/schemas/{of}")}});
    match about {
        About::Guests => Some(list("Guest")),
        About::Tables => Some(list("Table")),
        About::Batch | About::Floor => {
            Some(json!({"$ref": format!("#/components/schemas/{OBJECT}")}))
        }
        _ => None,
    }
}
