//! Every operation with every role: what the table says is what the server does.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use testkit::{Answered, Bed, Client, House, Person};

/// In no database: what is not there is 404 with a code of its slice, and nothing is changed.
const NOBODY: &str = "0198c0de-0000-7000-8000-000000000001";
const ROLES: [&str; 8] =
    ["owner", "manager", "host", "box_office", "scanner", "therapist", "cashier", "monitor"];

/// An operation of the document.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    pub(crate) name: String,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) json: Value,
}

impl Operation {
    fn word(&self, name: &str) -> &str {
        self.json.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    fn may(&self, who: &str) -> bool {
        let all: Vec<_> = self.word("x-who-may").split(", ").collect();
        all.contains(&who) || all.contains(&"anyone")
    }

    /// The least that can be sent: an empty object, and ids of nothing.
    fn ask(&self, client: &Client, venue: &str) -> Result<testkit::Ask> {
        let path = self.path.replace("{venue}", venue);
        let parts = path.split('/').map(|part| if part.starts_with('{') { NOBODY } else { part });
        let path = parts.collect::<Vec<_>>().join("/");
        let ask = match self.method.as_str() {
            "get" => client.get(path),
            "post" => client.post(path, json!({})),
            "put" => client.put(path, json!({})),
            "patch" => client.patch(path, json!({})),
            "delete" => client.delete(path),
            method => anyhow::bail!("{method} {path}: no test for this method"),
        };
        Ok(ask.header("Hold-Token", "none"))
    }
}

/// All operations of the document that the server serves.
pub(crate) async fn operations(bed: &Bed) -> Result<Vec<Operation>> {
    let document = bed.anyone().get("/openapi.json").await?.expect(200)?;
    let paths = document.get("paths").and_then(Value::as_object).context("there are no paths")?;
    let mut all = Vec::new();
    for (path, methods) in paths {
        for (method, json) in methods.as_object().context("a path without methods")? {
            let name = json.get("operationId").and_then(Value::as_str).unwrap_or_default();
            all.push(Operation {
                name: name.to_owned(),
                method: method.clone(),
                path: path.clone(),
                json: json.clone(),
            });
        }
    }
    // Whoever has logged out can do nothing after it.
    all.sort_by_key(|operation| operation.name == "logout");
    Ok(all)
}

/// What came of the question who is asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// Let in; what came then is another matter.
    In,
    NotSignedIn,
    Forbidden,
    NoSuchPath,
}

fn verdict(answer: &Answered) -> Verdict {
    match (answer.status, answer.code()) {
        (401, "no_token") => Verdict::NotSignedIn,
        (403, "forbidden") => Verdict::Forbidden,
        (404, "no_such_path") => Verdict::NoSuchPath,
        _ => Verdict::In,
    }
}

/// What the table says: `role` is what the caller is in the venue of the path.
fn expected(operation: &Operation, role: Option<&str>, signed_in: bool) -> Verdict {
    let of_venue = operation.path.contains("{venue}");
    match (signed_in, role) {
        (false, _) if operation.may("anyone") => Verdict::In,
        (false, _) => Verdict::NotSignedIn,
        (true, Some(role)) if operation.may(role) => Verdict::In,
        (true, _) if operation.may("customer") => Verdict::In,
        (true, Some(_)) if of_venue => Verdict::Forbidden,
        (true, _) if of_venue => Verdict::NoSuchPath,
        (true, _) => Verdict::Forbidden,
    }
}

/// Asks for all operations as one caller; what differs from the table.
async fn differences(
    all: &[Operation],
    caller: (&str, &Client),
    venue: &str,
    role: Option<&str>,
) -> Result<Vec<String>> {
    let (name, client) = caller;
    let mut found = Vec::new();
    for operation in all {
        let answer = operation.ask(client, venue)?.settled().await?;
        let wanted = expected(operation, role, client.token().is_some());
        let server_error = answer.status >= 500;
        if verdict(&answer) != wanted || server_error {
            let (given, code) = (answer.status, answer.code());
            found.push(format!(
                "{name}: {} should be {wanted:?}, gave {given} {code}",
                operation.name
            ));
        }
    }
    Ok(found)
}

async fn staff(house: &House) -> Result<BTreeMap<&'static str, Person>> {
    let mut staff = BTreeMap::from([("owner", house.owner().clone())]);
    for role in ROLES.into_iter().skip(1) {
        staff.insert(role, house.member(role).await?);
    }
    Ok(staff)
}

#[tokio::test]
async fn every_role_may_what_the_table_says_and_nothing_else() -> Result<()> {
    let bed = Bed::start(1).await?;
    let all = operations(&bed).await?;
    let without: Vec<_> =
        all.iter().filter(|operation| operation.word("x-permission").is_empty()).collect();
    assert!(without.is_empty(), "not in the permission table: {without:?}");
    assert!(all.len() > 30, "only {} operations", all.len());

    let (own, other) = (bed.house().await?, bed.house().await?);
    let mut wrong = differences(&all, ("nobody", &bed.anyone()), own.venue(), None).await?;
    let customer = bed.person().await?;
    wrong.extend(differences(&all, ("a customer", &customer), own.venue(), None).await?);
    for (role, person) in staff(&own).await? {
        wrong.extend(differences(&all, (role, &person), own.venue(), Some(role)).await?);
        // The logout ended the session, and other venues see the same person as a stranger.
        let again = person.sign_in().await?;
        let name = format!("{role} of another venue");
        wrong.extend(differences(&all, (&name, &again), other.venue(), None).await?);
    }
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
    Ok(())
}
