//! The kinds of connection, and nothing that knows what they carry.
//!
//! One Redis: a multiplexed connection to publish on, a pub/sub connection to listen on. A Redis
//! Cluster with sharded pub/sub: the library's cluster connection for each, which knows the nodes.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::try_join_all;
use redis::aio::{MultiplexedConnection, PubSubSink, PubSubStream};
use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::cluster_async::ClusterConnection;
use redis::io::tcp::TcpSettings;
use redis::{
    AsyncConnectionConfig, Client, ConnectionInfo, FromRedisValue, IntoConnectionInfo, Msg,
    ProtocolVersion, PushInfo, PushKind, RedisResult,
};
use tokio::sync::mpsc::{self, UnboundedReceiver};

use crate::channel::hash_tag;
use crate::publisher::RESPONSE_DEADLINE;

/// How long a connection may take to be made.
const CONNECT_DEADLINE: Duration = Duration::from_secs(1);

/// Where Redis is.
#[derive(Clone)]
pub(crate) enum Target {
    One(Box<Client>),
    Cluster(Vec<ConnectionInfo>),
}

/// Off by default in this version: Nagle and delayed acknowledgements cost 40 ms.
fn tcp() -> TcpSettings {
    TcpSettings::default().set_nodelay(true)
}

impl Target {
    /// `url` may name several nodes of a cluster, separated by commas.
    pub(crate) fn new(url: &str, sharded: bool) -> RedisResult<Self> {
        if sharded {
            let nodes = url.split(',').map(|node| node.trim().into_connection_info());
            let target = Self::Cluster(nodes.collect::<RedisResult<_>>()?);
            // Refuses what cannot be a cluster's address before the first attempt.
            target.cluster_builder().map(ClusterClientBuilder::build).transpose()?;
            return Ok(target);
        }
        let info = url.into_connection_info()?.set_tcp_settings(tcp());
        Ok(Self::One(Box::new(Client::open(info)?)))
    }

    fn cluster_builder(&self) -> Option<ClusterClientBuilder> {
        let Self::Cluster(nodes) = self else { return None };
        let builder = ClusterClientBuilder::new(nodes.clone())
            .use_protocol(ProtocolVersion::RESP3)
            .tcp_settings(tcp())
            .connection_timeout(CONNECT_DEADLINE)
            .response_timeout(RESPONSE_DEADLINE)
            // Our own loops connect again, and must know when they do.
            .retries(1);
        Some(builder)
    }

    /// A connection to publish on.
    pub(crate) async fn outlet(&self) -> RedisResult<Outlet> {
        match self {
            Self::One(client) => {
                let config = AsyncConnectionConfig::new()
                    .set_connection_timeout(Some(CONNECT_DEADLINE))
                    .set_response_timeout(Some(RESPONSE_DEADLINE));
                let connection = client.get_multiplexed_async_connection_with_config(&config);
                Ok(Outlet::One(connection.await?))
            }
            Self::Cluster(_) => {
                let client = self.cluster_builder().map(ClusterClientBuilder::build);
                Ok(Outlet::Cluster(connect(client.transpose()?).await?))
            }
        }
    }

    /// A connection for commands that may take so long.
    pub(crate) async fn desk(&self, longest: Duration) -> RedisResult<Desk> {
        match self {
            Self::One(client) => {
                let config = AsyncConnectionConfig::new()
                    .set_connection_timeout(Some(CONNECT_DEADLINE))
                    .set_response_timeout(Some(longest));
                let connection = client.get_multiplexed_async_connection_with_config(&config);
                Ok(Desk::One(connection.await?))
            }
            Self::Cluster(_) => {
                let builder = self.cluster_builder();
                let client = builder.map(|builder| builder.response_timeout(longest).build());
                Ok(Desk::Cluster(connect(client.transpose()?).await?))
            }
        }
    }

    /// A connection to listen on.
    pub(crate) async fn inlet(&self) -> RedisResult<(Switch, Messages)> {
        match self {
            Self::One(client) => {
                let connected = tokio::time::timeout(CONNECT_DEADLINE, client.get_async_pubsub());
                let (sink, stream) = connected.await.map_err(|_| timed_out())??.split();
                Ok((Switch::One(sink), Messages::One(stream)))
            }
            Self::Cluster(_) => {
                let (tell, told) = mpsc::unbounded_channel();
                let builder = self.cluster_builder().map(|builder| builder.push_sender(tell));
                let client = builder.map(ClusterClientBuilder::build).transpose()?;
                Ok((Switch::Cluster(connect(client).await?), Messages::Cluster(told)))
            }
        }
    }
}

async fn connect(client: Option<ClusterClient>) -> RedisResult<ClusterConnection> {
    let client = client.ok_or_else(timed_out)?;
    // Slots and nodes are found out by several exchanges.
    let connected = tokio::time::timeout(CONNECT_DEADLINE * 2, client.get_async_connection());
    connected.await.map_err(|_| timed_out())?
}

fn timed_out() -> redis::RedisError {
    std::io::Error::from(std::io::ErrorKind::TimedOut).into()
}

/// Asks Redis.
#[derive(Clone)]
pub(crate) enum Desk {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Desk {
    pub(crate) async fn ask<T: FromRedisValue>(&mut self, command: &redis::Cmd) -> RedisResult<T> {
        match self {
            Self::One(connection) => command.query_async(connection).await,
            Self::Cluster(connection) => command.query_async(connection).await,
        }
    }

    pub(crate) async fn run(&mut self, commands: &redis::Pipeline) -> RedisResult<()> {
        match self {
            Self::One(connection) => commands.query_async(connection).await,
            Self::Cluster(connection) => commands.query_async(connection).await,
        }
    }
}

/// Publishes.
pub(crate) enum Outlet {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Outlet {
    /// One pipeline, one wait; in a cluster one pipeline for each partition, all at once.
    pub(crate) async fn publish(&mut self, messages: &[(String, Bytes)]) -> RedisResult<()> {
        match self {
            Self::One(connection) => pipeline("PUBLISH", messages).query_async(connection).await,
            Self::Cluster(connection) => {
                let mut partitions: BTreeMap<&str, Vec<(String, Bytes)>> = BTreeMap::new();
                for message in messages {
                    partitions.entry(hash_tag(&message.0)).or_default().push(message.clone());
                }
                let published = partitions.into_values().map(|messages| {
                    let mut connection = connection.clone();
                    async move {
                        let pipe = pipeline("SPUBLISH", &messages);
                        pipe.query_async::<()>(&mut connection).await
                    }
                });
                try_join_all(published).await.map(drop)
            }
        }
    }

    pub(crate) async fn ping(&mut self) -> RedisResult<()> {
        match self {
            Self::One(connection) => redis::cmd("PING").query_async(connection).await,
            Self::Cluster(connection) => redis::cmd("PING").query_async(connection).await,
        }
    }
}

fn pipeline(command: &str, messages: &[(String, Bytes)]) -> redis::Pipeline {
    let mut pipe = redis::pipe();
    for (channel, bytes) in messages {
        pipe.cmd(command).arg(channel).arg(bytes.as_ref()).ignore();
    }
    pipe
}

/// Turns channels on and off.
#[derive(Clone)]
pub(crate) enum Switch {
    One(PubSubSink),
    Cluster(ClusterConnection),
}

impl Switch {
    /// Returns when Redis has confirmed all of them.
    pub(crate) async fn subscribe(self, channels: Vec<String>) -> RedisResult<()> {
        match self {
            Self::One(mut sink) => sink.subscribe(channels).await,
            Self::Cluster(mut connection) => connection.ssubscribe(channels).await,
        }
    }

    pub(crate) async fn unsubscribe(self, channels: Vec<String>) -> RedisResult<()> {
        match self {
            Self::One(mut sink) => sink.unsubscribe(channels).await,
            Self::Cluster(mut connection) => connection.sunsubscribe(channels).await,
        }
    }

    pub(crate) async fn ping(self) -> RedisResult<()> {
        match self {
            Self::One(mut sink) => sink.ping::<redis::Value>().await.map(drop),
            Self::Cluster(mut connection) => {
                redis::cmd("PING").query_async::<redis::Value>(&mut connection).await.map(drop)
            }
        }
    }
}

/// What arrives. The library's queues have no bound: take messages at once.
pub(crate) enum Messages {
    One(PubSubStream),
    Cluster(UnboundedReceiver<PushInfo>),
}

/// One thing that arrived.
pub(crate) enum Arrival {
    Message(Bytes),
    /// A node no longer sends this channel: we asked for it, or the partition moves elsewhere.
    Off(String),
}

impl Messages {
    /// The next arrival; none when a connection is gone.
    pub(crate) async fn next(&mut self) -> Option<Arrival> {
        match self {
            Self::One(stream) => {
                stream.next().await.map(|message| Arrival::Message(bytes(&message)))
            }
            Self::Cluster(pushes) => loop {
                let push = pushes.recv().await?;
                match push.kind {
                    PushKind::SMessage => {
                        if let Some(message) = Msg::from_push_info(push) {
                            return Some(Arrival::Message(bytes(&message)));
                        }
                    }
                    PushKind::Disconnection => return None,
                    PushKind::SUnsubscribe => {
                        let channel = push.data.into_iter().next();
                        let channel = channel.and_then(|name| redis::from_redis_value(name).ok());
                        return Some(Arrival::Off(channel.unwrap_or_default()));
                    }
                    _ => {}
                }
            },
        }
    }
}

fn bytes(message: &Msg) -> Bytes {
    Bytes::copy_from_slice(message.get_payload_bytes())
}
