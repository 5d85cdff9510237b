//! How many sockets one user or one address may have on this worker.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use kernel::ids::UserId;

use crate::limits::Limits;

/// Who is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Who {
    Greeting(IpAddr),
    Anonymous(IpAddr),
    User(UserId),
}

/// The counts. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Counts {
    limits: Limits,
    taken: Arc<Mutex<HashMap<Who, usize>>>,
}

/// A counted place; it is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    who: Who,
    taken: Arc<Mutex<HashMap<Who, usize>>>,
}

impl Counts {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, taken: Arc::default() }
    }

    /// A place for a socket that has not said who it is.
    pub(crate) fn greeting(&self, address: IpAddr) -> Option<Place> {
        self.take(Who::Greeting(address), self.limits.greetings_per_address)
    }

    /// A place for a socket that stays anonymous.
    pub(crate) fn anonymous(&self, address: IpAddr) -> Option<Place> {
        self.take(Who::Anonymous(address), self.limits.anonymous_per_address)
    }

    /// A place for a socket of a user.
    pub(crate) fn user(&self, user: UserId) -> Option<Place> {
        self.take(Who::User(user), self.limits.sockets_per_user)
    }

    fn take(&self, who: Who, max: usize) -> Option<Place> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(who).or_default();
        if *count >= max {
            return None;
        }
        *count += 1;
        Some(Place { who, taken: Arc::clone(&self.taken) })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.who) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.who);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_when_its_socket_is_gone() {
        let counts = Counts::new(Limits::default());
        let user = UserId(uuid::Uuid::nil());
        let places: Vec<_> = std::iter::from_fn(|| counts.user(user)).collect();
        assert_eq!(places.len(), 8);
        drop(places);
        assert!(counts.user(user).is_some());
        assert!(counts.taken.lock().unwrap().is_empty());
    }
}
