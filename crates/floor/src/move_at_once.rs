//! A table that is only moved, turned or drawn anew, in one round trip: hosts drag many of them.

use edge::{Actor, Answer, App, Rejection, can};
use kernel::event::{Event, Topic};
use kernel::ids::TableId;
use pg::{Call, Columns, DbError, Lock, OnceKey, Row, params};

use crate::FloorError;
use crate::change_table::{ChangeTable, action};
use crate::model::TableStatus;
use crate::store::tables::{AT_ONCE, MOVED};

/// The problem of a write whose connection broke while it was saved.
const COMMIT_UNKNOWN: &str = "commit_unknown";

/// Whether `cmd` says nothing but where the table stands and how it is drawn there.
fn is_move(cmd: &ChangeTable) -> bool {
    let ChangeTable { x, y, width, height, rotation, .. } = *cmd;
    let alone =
        ChangeTable { x, y, width, height, rotation, version: cmd.version, ..<_>::default() };
    *cmd == alone && [x, y, width, height, rotation].iter().any(Option::is_some)
}

/// Moves the table, if that is all that is asked for and nobody has changed it since it was `seen`.
/// None: nothing was done, or nobody knows; whoever moves it next finds the key if it was.
pub(crate) async fn move_at_once(
    app: &App,
    actor: &Actor<can::ArrangeFloor>,
    once: Option<&OnceKey>,
    (table, seen): (TableId, Option<i64>),
    cmd: &ChangeTable,
) -> Result<Option<Answer>, Rejection> {
    let Some(call) =
        call(actor, once, (table, seen), cmd).map_err(|error| Rejection::of(&error))?
    else {
        return Ok(None);
    };
    match app.call(actor, call).await {
        Ok(Some((row, pos))) => {
            let read = |row: &Row| Ok((row.col("data")?, row.col("version")?));
            let (json, version) = read(&row).map_err(|error: DbError| Rejection::of(&error))?;
            Ok(Some(Answer::called(200, json, Some(version), pos)))
        }
        // Without a key nobody can find out whether it was done: it is not done again.
        Err(unknown) if once.is_none() && unknown.0.code == COMMIT_UNKNOWN => Err(unknown),
        // Whoever may not is told so by the longer way.
        Ok(None) | Err(_) => Ok(None),
    }
}

/// The call, if it is a move.
fn call(
    actor: &Actor<can::ArrangeFloor>,
    once: Option<&OnceKey>,
    (table, seen): (TableId, Option<i64>),
    cmd: &ChangeTable,
) -> Result<Option<Call>, FloorError> {
    if !is_move(cmd) {
        return Ok(None);
    }
    let action = action(TableStatus::Available, cmd);
    let none = serde_json::Map::new();
    let about = ("table", table.0, 0);
    let event = Event::new(Topic::Floor, "table_updated", about, action, &none)?;
    let mut params =
        params![table, seen, cmd.x, cmd.y, cmd.width, cmd.height, cmd.rotation, action];
    params.extend(params![
        actor.scope.actor(),
        once.map(|it| it.key.clone()),
        once.map(|it| it.route.clone()),
        once.map(|it| it.body_hash.clone()),
        event.audience.number(),
    ]);
    let locks = vec![Lock { sql: MOVED, keys: vec![table.to_string()] }];
    Ok(Some(Call { sql: AT_ONCE, params, event, locks }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_move_says_only_where_the_table_stands_and_how_it_is_drawn() {
        let moved = ChangeTable { x: Some(1.0), version: Some(3), ..ChangeTable::default() };
        assert!(is_move(&moved));
        assert!(is_move(&ChangeTable { rotation: Some(90.0), ..ChangeTable::default() }));
        assert!(!is_move(&ChangeTable { version: Some(3), ..ChangeTable::default() }));
        assert!(!is_move(&ChangeTable { name: Some("7".into()), ..moved.clone() }));
        assert!(!is_move(&ChangeTable { status: Some(TableStatus::Dirty), ..moved }));
    }
}
