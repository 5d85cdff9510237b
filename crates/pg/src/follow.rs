//! Who may follow one entity: whoever brings what opens it.

use aws_lc_rs::digest::{Context, SHA256};
use jiff::Timestamp;
use kernel::event::Topic;
use kernel::follow::Follow;
use kernel::ids::{UserId, VenueId};
use kernel::scope::Scope;
use uuid::Uuid;

use crate::{Columns, Db, DbError, Param, Tx};

const LET_FOLLOW: &str = "insert into log.follower (venue_id, topic, entity_id, opener, until) \
     values ($1, $2, $3, $4, $5) on conflict (venue_id, topic, entity_id, opener) \
     do update set until = greatest(follower.until, excluded.until)";
const FIND: &str = "select topic, entity_id from log.follower where venue_id = $1 \
     and (topic, entity_id) in (select * from unnest($2::smallint[], $3::uuid[])) \
     and opener = any($4) and until > $5";

/// What opens an entity's private topic.
#[derive(Clone, Copy)]
pub enum Opener<'a> {
    /// Whoever says it. At least 128 random bits: nothing else slows a guess down.
    Secret(&'a str),
    /// That user, signed in.
    User(UserId),
}

impl Opener<'_> {
    /// What is kept of it. The two kinds never meet: each has its own beginning.
    fn hash(self) -> Vec<u8> {
        let mut hash = Context::new(&SHA256);
        match self {
            Self::Secret(secret) => {
                hash.update(b"secret:");
                hash.update(secret.as_bytes());
            }
            Self::User(user) => {
                hash.update(b"user:");
                hash.update(user.0.as_bytes());
            }
        }
        hash.finish().as_ref().to_vec()
    }
}

impl Tx {
    /// Lets whoever brings `opener` follow the entity `id` as the private topic `topic`, until
    /// then. Sent with the commit. Repeated, the later time counts; several openers may be there.
    ///
    /// # Errors
    /// `Forbidden` in a transaction without a venue, or for a topic that is not private: a bug.
    pub fn let_follow(
        &mut self,
        topic: Topic,
        id: Uuid,
        opener: Opener<'_>,
        until: Timestamp,
    ) -> Result<(), DbError> {
        let venue = self.venue()?;
        let follow = Follow::new(topic, id).ok_or(DbError::Forbidden)?;
        let row: [Param; 5] = [
            Box::new(venue),
            Box::new(follow.topic().number()),
            Box::new(follow.id()),
            Box::new(opener.hash()),
            Box::new(until),
        ];
        self.change(LET_FOLLOW, row.into());
        Ok(())
    }
}

impl Db {
    /// Those of `follows` that one of `openers` opens.
    ///
    /// # Errors
    /// When PostgreSQL is away or busy.
    pub async fn may_follow(
        &self,
        venue: VenueId,
        follows: &[Follow],
        openers: &[Opener<'_>],
    ) -> Result<Vec<Follow>, DbError> {
        if follows.is_empty() || openers.is_empty() {
            return Ok(Vec::new());
        }
        let topics: Vec<i16> = follows.iter().map(|follow| follow.topic().number()).collect();
        let ids: Vec<Uuid> = follows.iter().map(|follow| follow.id()).collect();
        let openers: Vec<Vec<u8>> = openers.iter().map(|opener| opener.hash()).collect();
        let now = self.clock().now();
        let rows = self
            .read(Scope::venue(venue, None), async |q| {
                q.query(FIND, &[&venue, &topics, &ids, &openers, &now]).await
            })
            .await?;
        let found = rows.iter().map(|row| {
            let topic = Topic::from_number(row.col("topic")?);
            let id = row.col("entity_id")?;
            Ok(topic.and_then(|topic| Follow::new(topic, id)))
        });
        Ok(found.collect::<Result<Vec<_>, DbError>>()?.into_iter().flatten().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_never_opens_as_a_user() {
        let user = UserId(Uuid::from_u128(7));
        let bytes = user.0.into_bytes();
        let as_text = String::from_utf8_lossy(&bytes);
        let hashes = [
            Opener::User(user).hash(),
            Opener::Secret(&as_text).hash(),
            Opener::Secret(&user.to_string()).hash(),
            Opener::Secret("").hash(),
        ];
        for (n, hash) in hashes.iter().enumerate() {
            assert_eq!(hash.len(), 32);
            assert!(!hashes.iter().skip(n + 1).any(|other| other == hash));
        }
    }
}
