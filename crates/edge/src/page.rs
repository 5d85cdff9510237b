//! Lists: `limit`, opaque cursors, `{"items": […], "nextCursor": "…"}`.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kernel::problem::Problem;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::limits::{PAGE_DEFAULT, PAGE_MAX};
use crate::rejection::Rejection;

/// Which part of a list.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct Page {
    /// Items at most: 1 to 200, 50 unless given.
    #[param(minimum = 1, maximum = 200)]
    pub limit: Option<u16>,
    /// `nextCursor` of the page before.
    pub cursor: Option<String>,
}

impl Page {
    /// How many items, and the id after which they begin. Ids are UUIDv7, so a list by id is a
    /// list by the time things were made.
    ///
    /// # Errors
    /// 400 for a limit or a cursor that cannot be used.
    pub fn bounds(&self) -> Result<(i64, Uuid), Rejection> {
        let limit = self.limit.unwrap_or(PAGE_DEFAULT);
        if !(1..=PAGE_MAX).contains(&limit) {
            let detail = format!("limit is 1 to {PAGE_MAX}.");
            return Err(Problem::new(400, "bad_limit", "The limit cannot be used", detail).into());
        }
        let after = self.cursor.as_deref().map_or(Some(Uuid::nil()), decode);
        let after = after.ok_or_else(|| {
            let detail = "Use nextCursor of the page before as it was given, or leave it away.";
            Problem::new(400, "bad_cursor", "The cursor cannot be used", detail)
        })?;
        Ok((i64::from(limit), after))
    }
}

fn decode(cursor: &str) -> Option<Uuid> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    Uuid::from_slice(&bytes).ok()
}

/// One page of a list.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Items<T> {
    /// The items, in the order of the list.
    pub items: Vec<T>,
    /// Where the next page begins; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub next_cursor: Option<String>,
}

impl<T> Items<T> {
    /// A page of at most `limit` items, from one item more than that if there are more.
    #[must_use]
    pub fn of(mut items: Vec<T>, limit: i64, id: impl Fn(&T) -> Uuid) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = items.len() > limit;
        items.truncate(limit);
        let last = items.last().filter(|_| more);
        let next_cursor = last.map(|item| URL_SAFE_NO_PAD.encode(id(item).as_bytes()));
        Self { items, next_cursor }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_leads_to_the_next_page() {
        let ids: Vec<Uuid> = (1..=3).map(Uuid::from_u128).collect();
        let page = Items::of(ids.clone(), 2, |id| *id);
        assert_eq!(page.items, ids[..2]);
        let next = Page { limit: None, cursor: page.next_cursor };
        assert_eq!(next.bounds().unwrap(), (50, ids[1]));
        assert_eq!(Items::of(ids, 3, |id| *id).next_cursor, None);
    }

    #[test]
    fn bad_bounds_are_refused() {
        let cursor = Some("not a cursor".to_owned());
        assert_eq!(Page { limit: None, cursor }.bounds().unwrap_err().0.code, "bad_cursor");
        let limit = Some(1000);
        assert_eq!(Page { limit, cursor: None }.bounds().unwrap_err().0.code, "bad_limit");
    }
}
