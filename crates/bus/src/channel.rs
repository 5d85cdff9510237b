//! The names of channels.

use kernel::ids::VenueId;

/// Partitions of sharded pub/sub: one `SSUBSCRIBE` may name channels of one partition only.
const PARTITIONS: u8 = 128;

/// How channels are named.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    namespace: String,
    sharded: bool,
}

impl Names {
    pub(crate) fn new(namespace: String, sharded: bool) -> Self {
        Self { namespace, sharded }
    }

    pub(crate) fn sharded(&self) -> bool {
        self.sharded
    }

    /// The venue's channel.
    pub(crate) fn venue(&self, venue: VenueId) -> String {
        let name = &self.namespace;
        if self.sharded {
            format!("{name}{{p{:02}}}:{venue}", partition(venue))
        } else {
            format!("{name}{venue}")
        }
    }

    /// The channel that all workers listen to.
    pub(crate) fn control(&self) -> String {
        let name = &self.namespace;
        if self.sharded { format!("{name}{{p00}}:control") } else { format!("{name}control") }
    }
}

impl Names {
    /// The stream of work.
    pub(crate) fn work(&self) -> String {
        let name = &self.namespace;
        if self.sharded { format!("{name}{{p00}}:work") } else { format!("{name}work") }
    }
}

/// The venue's partition: the random end of its id.
pub(crate) fn partition(venue: VenueId) -> u8 {
    venue.0.as_bytes().last().copied().unwrap_or(0) % PARTITIONS
}

/// The part of a channel's name that decides its node in a cluster.
pub(crate) fn hash_tag(channel: &str) -> &str {
    let tag = channel.split_once('{').and_then(|(_, rest)| rest.split_once('}'));
    tag.map_or(channel, |(tag, _)| tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_venue_of_a_cluster_stays_in_its_partition() {
        let venue = VenueId(uuid::Uuid::from_u128(0xff));
        let plain = Names::new("rl:".into(), false);
        assert_eq!(plain.venue(venue), "rl:00000000-0000-0000-0000-0000000000ff");
        let sharded = Names::new("rl:".into(), true);
        assert_eq!(sharded.venue(venue), "rl:{p127}:00000000-0000-0000-0000-0000000000ff");
        assert_eq!(sharded.control(), "rl:{p00}:control");
        assert_eq!((plain.work(), hash_tag(&sharded.work())), ("rl:work".into(), "p00"));
        assert_eq!(hash_tag(&sharded.venue(venue)), "p127");
    }
}
