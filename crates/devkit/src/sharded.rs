//! A Redis Cluster of one's own: three nodes with all slots between them, and one that follows the
//! first.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::cluster::{Folder, Server};
use crate::postgres::Durability;
use crate::redis::Redis;
use crate::{Account, Node, free_port, obtain, say, secret};

/// Nodes that have slots.
const MASTERS: u32 = 3;
const SLOTS: u32 = 16_384;
/// The first that knows sharded pub/sub.
const OLDEST_MAJOR: u32 = 7;
const FORM_PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);

/// Four nodes on loopback ports; dropped, they and their folder are gone.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: Vec<Node>,
    ids: Vec<String>,
    _folder: Folder,
}

impl RedisCluster {
    /// Starts the nodes and waits until they are one cluster. None, and a line that says why, where
    /// no Redis of version 7 is to be had.
    ///
    /// # Errors
    /// When it does not start.
    pub fn private() -> Result<Option<Self>> {
        let account = Account::for_servers()?;
        let program = match obtain::redis_since(&account, OLDEST_MAJOR) {
            Ok(program) => program,
            Err(error) => {
                say("redis", &format!("no cluster: {error:#}"));
                return Ok(None);
            }
        };
        let folder = Folder::make(false, &account)?;
        let password = secret::password()?;
        let mut nodes = Vec::new();
        for number in 0..=MASTERS {
            nodes.push(Node::start_new(Server::Redis(Redis {
                program: program.clone(),
                folder: folder.0.join(format!("redis{number}")),
                account,
                port: free_port()?,
                password: password.clone(),
                durability: Durability::Fast,
                cluster_port: Some(free_port()?),
            }))?);
        }
        let ids = nodes.iter().map(|node| node.ask(&["CLUSTER", "MYID"]));
        let ids = ids.collect::<Result<_>>()?;
        let cluster = Self { nodes, ids, _folder: folder };
        cluster.form()?;
        Ok(Some(cluster))
    }

    fn form(&self) -> Result<()> {
        for (number, node) in (0..MASTERS).zip(&self.nodes) {
            let (first, end) = (SLOTS * number / MASTERS, SLOTS * (number + 1) / MASTERS);
            let (first, last) = (first.to_string(), (end - 1).to_string());
            node.ask(&["CLUSTER", "ADDSLOTSRANGE", &first, &last])?;
            node.ask(&["CLUSTER", "SET-CONFIG-EPOCH", &(number + 1).to_string()])?;
        }
        let first = self.node(0)?;
        for node in self.nodes.iter().skip(1) {
            let (port, bus) = (node.port().to_string(), node.cluster_port()?.to_string());
            first.ask(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus])?;
        }
        let known = format!("cluster_known_nodes:{}", MASTERS + 1);
        self.until("the nodes know each other", || {
            self.nodes.iter().take(usize::try_from(MASTERS)?).try_fold(true, |all, node| {
                let state = node.ask(&["CLUSTER", "INFO"])?;
                Ok(all && state.contains("cluster_state:ok") && state.contains(&known))
            })
        })?;
        let (master, replica) = (self.id(0)?, self.node(usize::try_from(MASTERS)?)?);
        self.until("the last node has heard of the first", || {
            Ok(replica.ask(&["CLUSTER", "REPLICATE", master]).is_ok())
        })?;
        self.until("the last node follows the first", || {
            Ok(replica.ask(&["INFO", "replication"])?.contains("master_link_status:up"))
        })
    }

    fn until(&self, what: &str, done: impl Fn() -> Result<bool>) -> Result<()> {
        let began = Instant::now();
        while !done()? {
            if began.elapsed() > FORM_PATIENCE {
                let state = self.node(0)?.ask(&["CLUSTER", "NODES"])?;
                bail!("{what}: not within {FORM_PATIENCE:?}\n{state}");
            }
            std::thread::sleep(POLL);
        }
        Ok(())
    }

    /// The nodes' URLs, separated by commas.
    ///
    /// # Errors
    /// Never, for nodes of Redis.
    pub fn url(&self) -> Result<String> {
        let urls: Vec<String> = self.nodes.iter().map(Node::url).collect::<Result<_>>()?;
        Ok(urls.join(","))
    }

    /// The node `number`: 0 to 2 had the slots at first, 3 follows 0.
    ///
    /// # Errors
    /// When there is none.
    pub fn node(&self, number: usize) -> Result<&Node> {
        self.nodes.get(number).context("there is no such node")
    }

    fn id(&self, number: usize) -> Result<&str> {
        self.ids.get(number).map(String::as_str).context("there is no such node")
    }

    /// The slot of a channel.
    ///
    /// # Errors
    /// When no node answers.
    pub fn slot(&self, channel: &str) -> Result<u32> {
        let any =
            self.nodes.iter().find_map(|node| node.ask(&["CLUSTER", "KEYSLOT", channel]).ok());
        Ok(any.context("no node answers")?.parse()?)
    }

    /// Who had the slot at first.
    #[must_use]
    pub fn first_owner(slot: u32) -> usize {
        let owner = (0..MASTERS).find(|number| slot < SLOTS * (number + 1) / MASTERS);
        owner.and_then(|number| usize::try_from(number).ok()).unwrap_or(0)
    }

    /// Gives a slot, in which there are no keys, from one node to another.
    ///
    /// # Errors
    /// When a node refuses.
    pub fn move_slot(&self, slot: u32, from: usize, to: usize) -> Result<()> {
        let slot = slot.to_string();
        let (source, target) = (self.id(from)?, self.id(to)?);
        let set = |node: usize, state: &str, id: &str| {
            self.node(node)?.ask(&["CLUSTER", "SETSLOT", &slot, state, id]).map(drop)
        };
        set(to, "IMPORTING", source)?;
        set(from, "MIGRATING", target)?;
        set(to, "NODE", target)?;
        set(from, "NODE", target)
    }
}
