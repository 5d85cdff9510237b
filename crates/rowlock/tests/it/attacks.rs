//! Attacks that are made from the document itself: ids of another venue, fields that nobody asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Result, ensure};
use serde_json::{Map, Value, json};
use testkit::{Ask, Bed, Client, House, Sql};
use uuid::Uuid;

use crate::operations::{Operation, operations};
use crate::sale::{Sale, blocks};

/// Schemas nest this deep before the rest is left out.
const DEPTH_MAX: usize = 12;

/// One id of each kind that a venue has, by the name of its table or column.
type Ids = BTreeMap<String, String>;

/// What the document says can be sent, with these ids in it.
struct Maker<'a> {
    document: &'a Value,
    ids: &'a Ids,
    /// So that no two requests want the same name.
    unique: AtomicUsize,
}

impl Maker<'_> {
    /// The id of what is called so, or of something that is nowhere.
    fn id(&self, name: &str) -> String {
        let name = name.strip_suffix("Id").unwrap_or(name).to_lowercase();
        let singular = name.trim_end_matches('s');
        let known = self.ids.get(&name).or_else(|| self.ids.get(singular));
        known.cloned().unwrap_or_else(|| Uuid::new_v4().to_string())
    }

    fn resolved<'s>(&'s self, schema: &'s Value) -> &'s Value {
        let reference = schema.get("$ref").and_then(Value::as_str);
        let path = reference.and_then(|it| it.strip_prefix('#'));
        path.and_then(|path| self.document.pointer(path)).unwrap_or(schema)
    }

    fn value(&self, name: &str, schema: &Value, depth: usize) -> Value {
        let schema = self.resolved(schema);
        if depth > DEPTH_MAX {
            return Value::Null;
        }
        for choice in ["oneOf", "anyOf"] {
            let choices = schema.get(choice).and_then(Value::as_array);
            let real = |it: &&Value| it.get("type").and_then(Value::as_str) != Some("null");
            if let Some(one) = choices.and_then(|all| all.iter().find(real)) {
                return self.value(name, one, depth + 1);
            }
        }
        if let Some(parts) = schema.get("allOf").and_then(Value::as_array) {
            let parts = parts.iter().map(|part| self.value(name, part, depth + 1));
            let fields = parts.filter_map(|part| part.as_object().cloned()).flatten();
            return Value::Object(fields.collect());
        }
        let first = schema.get("enum").and_then(|all| all.get(0));
        if let Some(fixed) = schema.get("const").or(first) {
            return fixed.clone();
        }
        self.plain(name, schema, depth)
    }

    fn plain(&self, name: &str, schema: &Value, depth: usize) -> Value {
        let kind = match schema.get("type") {
            Some(Value::Array(all)) => {
                all.iter().filter_map(Value::as_str).find(|it| *it != "null")
            }
            kind => kind.and_then(Value::as_str),
        };
        let number = |bound: &str| schema.get(bound).and_then(Value::as_i64);
        match kind {
            Some("string") => self.string(name, schema),
            Some("integer" | "number") => json!(number("minimum").unwrap_or(1).max(1)),
            Some("boolean") => json!(true),
            Some("array") => {
                let items = schema.get("items").unwrap_or(&Value::Null);
                json!([self.value(name, items, depth + 1)])
            }
            _ => self.object(schema, depth),
        }
    }

    fn string(&self, name: &str, schema: &Value) -> Value {
        let n = self.unique.fetch_add(1, Ordering::Relaxed);
        json!(match schema.get("format").and_then(Value::as_str) {
            Some("uuid") => self.id(name),
            Some("date-time") => "2031-03-01T19:00:00Z".to_owned(),
            Some("date") => "2031-03-01".to_owned(),
            Some("time") => "19:00".to_owned(),
            Some("email") => format!("n{n}@example.org"),
            _ if name == "email" => format!("n{n}@example.org"),
            _ if name == "currency" => "EUR".to_owned(),
            _ => format!("name {n}"),
        })
    }

    /// What must be there, and every id that may be.
    fn object(&self, schema: &Value, depth: usize) -> Value {
        let required: Vec<&str> = schema
            .get("required")
            .and_then(Value::as_array)
            .map(|all| all.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default();
        let mut fields = Map::new();
        for (name, of) in schema.get("properties").and_then(Value::as_object).into_iter().flatten()
        {
            let is_id = self.resolved(of).get("format").and_then(Value::as_str) == Some("uuid");
            if is_id || required.contains(&name.as_str()) {
                fields.insert(name.clone(), self.value(name, of, depth + 1));
            }
        }
        Value::Object(fields)
    }

    /// The body of an operation, if it takes one in JSON.
    fn body(&self, operation: &Operation) -> Option<Value> {
        let schema = operation.json.pointer("/requestBody/content/application~1json/schema")?;
        Some(self.value("", schema, 0))
    }

    /// Whether a body of the operation may have this field.
    fn knows(&self, operation: &Operation, field: &str) -> bool {
        let schema = operation.json.pointer("/requestBody/content/application~1json/schema");
        let schema = schema.map(|schema| self.resolved(schema));
        schema.and_then(|schema| schema.pointer(&format!("/properties/{field}"))).is_some()
    }

    fn ask(&self, operation: &Operation, client: &Client, venue: &str) -> Result<Ask> {
        let name_of = |part: &str| part.trim_matches(['{', '}']).to_owned();
        let part = |part: &str| match part {
            "{venue}" => venue.to_owned(),
            _ if part.starts_with('{') => self.id(&name_of(part)),
            _ => part.to_owned(),
        };
        let path = operation.path.split('/').map(part).collect::<Vec<_>>().join("/");
        let ask = client.ask(operation.method.to_uppercase().parse()?, path);
        let ask = ask.header("Hold-Token", "none").header("Bill-Token", "none");
        Ok(match self.body(operation) {
            Some(body) => ask.json(&body),
            None => ask,
        })
    }
}

/// A venue in which there is some of everything.
async fn busy(bed: &Bed) -> Result<House> {
    let sale = Sale::of(bed.house().await?, blocks(1, 6)).await?;
    let owner = sale.house.owner().clone();
    sale.house.member("host").await?;
    sale.hold(&owner, &["T1-1"]).await?.expect(201)?;
    sale.book(&owner, &["T1-2"]).await?.expect(201)?;
    crate::devices::paired(bed, &sale.house).await?;
    crate::gala_hall::busy(bed, &sale).await?;
    crate::invariants::money(bed, &sale.house).await?;
    crate::floor_room::fill(bed, &sale.house).await?;
    Ok(sale.house)
}

/// The tables of venues, by their full names.
async fn tables(sql: &Sql) -> Result<Vec<String>> {
    let tables = "select c.oid::regclass::text from pg_attribute a
        join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
        where a.attname = 'venue_id' and not a.attisdropped and c.relkind in ('r', 'p')
          and not c.relispartition
          and n.nspname not in ('pg_catalog', 'information_schema', 'public') order by 1";
    sql.column(tables, &[]).await
}

/// An id of each kind that is in the venue, and what each table of it holds, as one sum.
async fn inventory(sql: &Sql, venue: &str) -> Result<(Ids, BTreeMap<String, String>)> {
    let (mut ids, mut sums) = (Ids::new(), BTreeMap::new());
    for table in tables(sql).await? {
        let columns = format!(
            "select attname::text from pg_attribute where attrelid = '{table}'::regclass
               and atttypid = 'uuid'::regtype and attname <> 'venue_id' and not attisdropped"
        );
        for column in sql.column::<String>(&columns, &[]).await? {
            let of = format!(
                "select {column}::text from {table} where venue_id = '{venue}'
                   and {column} is not null limit 1"
            );
            let short = table.rsplit('.').next().unwrap_or(&table).trim_matches('"');
            let own = column == "id" || column == short || column == format!("{short}_id");
            let name =
                if own { short.to_owned() } else { column.trim_end_matches("_id").to_owned() };
            let name = name.replace('_', "");
            if let Some(id) = sql.column::<String>(&of, &[]).await?.pop()
                && (own || !ids.contains_key(&name))
            {
                ids.insert(name, id);
            }
        }
        let sum = format!(
            "select coalesce(md5(string_agg(t::text, '|' order by t::text)), '-')
               from {table} t where venue_id = '{venue}'"
        );
        sums.insert(table, sql.value(&sum, &[]).await?);
    }
    Ok((ids, sums))
}

#[tokio::test]
async fn an_id_of_another_venue_answers_like_one_of_nothing() -> Result<()> {
    let bed = Bed::start(1).await?;
    let all = operations(&bed).await?;
    let document = bed.anyone().get("/openapi.json").await?.expect(200)?;
    // Two that are alike: what is asked for once changes what comes of it the second time.
    let (one, other, alike) = (busy(&bed).await?, bed.house().await?, bed.house().await?);
    let sql = bed.sql().await?;
    let (ids, before) = inventory(&sql, one.venue()).await?;
    ensure!(ids.len() > 30, "only {} kinds of ids: {:?}", ids.len(), ids.keys());
    let (nothing, unique) = (Ids::new(), AtomicUsize::new);
    let foreign = Maker { document: &document, ids: &ids, unique: unique(0) };
    let random = Maker { document: &document, ids: &nothing, unique: unique(1_000_000) };
    let (mut wrong, mut not_found) = (Vec::new(), 0);
    for operation in all.iter().filter(|operation| operation.path.contains("{venue}")) {
        let like = random.ask(operation, alike.owner(), alike.venue())?.settled().await?;
        let got = foreign.ask(operation, other.owner(), other.venue())?.settled().await?;
        not_found += usize::from(got.status == 404);
        // A code in what was done is not the code of a problem.
        let refused = got.status >= 400;
        if got.status != like.status || (refused && got.code() != like.code()) || got.status >= 500
        {
            let (name, wanted) = (&operation.name, (like.status, like.code()));
            wrong.push(format!("{name}: {} {}, not {wanted:?}", got.status, got.code()));
        }
        if got.text.contains(one.venue()) {
            wrong.push(format!("{}: tells of the other venue: {}", operation.name, got.text));
        }
    }
    ensure!(wrong.is_empty(), "{} leaks:\n{}", wrong.len(), wrong.join("\n"));
    ensure!(not_found > 60, "only {not_found} were looked for: nothing is proved");
    let (_, after) = inventory(&sql, one.venue()).await?;
    let changed: Vec<_> =
        before.iter().filter(|(name, sum)| after.get(*name) != Some(sum)).collect();
    ensure!(changed.is_empty(), "a stranger changed {changed:?}");
    Ok(())
}

#[tokio::test]
async fn a_cursor_of_another_venue_leads_nowhere() -> Result<()> {
    let bed = Bed::start(1).await?;
    let all = operations(&bed).await?;
    let (one, other) = (busy(&bed).await?, bed.house().await?);
    one.member("manager").await?;
    let mut tried = 0;
    for operation in &all {
        let path = operation.path.replace("{venue}", one.venue());
        let pages = operation.json.get("parameters").and_then(Value::as_array);
        let pages = pages.is_some_and(|all| all.iter().any(|one| one["name"] == "cursor"));
        if !pages || path.contains('{') {
            continue;
        }
        let page = one.owner().get(format!("{path}?limit=1")).await?;
        let Some(cursor) = page.json.get("nextCursor").and_then(Value::as_str) else { continue };
        tried += 1;
        let path = path.replace(one.venue(), other.venue());
        let answer = other.owner().get(format!("{path}?limit=200&cursor={cursor}")).await?;
        let known: BTreeSet<&str> = page.text.split('"').filter(|it| it.len() == 36).collect();
        let seen = known.iter().find(|id| answer.text.contains(**id));
        ensure!(seen.is_none(), "{}: {cursor} shows {seen:?}", operation.name);
        ensure!([200, 400].contains(&answer.status), "{}: {}", operation.name, answer.text);
    }
    ensure!(tried >= 3, "only {tried} lists have a second page: nothing is proved");
    Ok(())
}

/// Whose bodies have fields of somebody else's choice: a provider's notice, which is read as it was
/// signed, and the app of before, which sends whole objects; and what only devices may say.
const NOT_OURS: [&str; 4] = ["receiveNotice", "oldChangeGuest", "oldChangeTable", "reportDevice"];

/// Each operation with the body that the document describes and a field more.
#[tokio::test]
async fn a_field_that_nobody_asked_for_is_refused_by_every_operation() -> Result<()> {
    let bed = Bed::start(1).await?;
    let all = operations(&bed).await?;
    let document = bed.anyone().get("/openapi.json").await?.expect(200)?;
    let (house, ids) = (bed.house().await?, Ids::new());
    let maker = Maker { document: &document, ids: &ids, unique: AtomicUsize::new(0) };
    let (mut taken, mut tried, mut named) = (Vec::new(), 0, 0);
    for operation in all.iter().filter(|it| !NOT_OURS.contains(&it.name.as_str())) {
        let Some(body) = maker.body(operation).filter(Value::is_object) else { continue };
        for (name, value) in [("role", json!("owner")), ("venueId", json!(house.venue()))] {
            if maker.knows(operation, name) {
                continue;
            }
            let mut body = body.clone();
            body[name] = value;
            tried += 1;
            let ask = maker.ask(operation, house.owner(), house.venue())?.json(&body);
            let answer = ask.settled().await?;
            if ![400, 422].contains(&answer.status) {
                taken.push(format!("{} {name}: {} {}", operation.name, answer.status, answer.text));
            }
            named += usize::from(answer.text.contains(&format!("unknown field `{name}`")));
        }
    }
    ensure!(taken.is_empty(), "{} of {tried} were taken:\n{}", taken.len(), taken.join("\n"));
    // The others were refused for something that stands before the field.
    println!("{named} of {tried} were refused for the field itself");
    ensure!(named > 150, "only {named} of {tried} were refused for the field itself");
    Ok(())
}
