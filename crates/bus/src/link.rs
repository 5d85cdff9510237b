//! The two kinds of connection, and nothing that knows what they carry.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use redis::aio::{MultiplexedConnection, PubSub, PubSubSink, PubSubStream};
use redis::io::tcp::TcpSettings;
use redis::{AsyncConnectionConfig, Client, IntoConnectionInfo, RedisResult};

use crate::publisher::RESPONSE_DEADLINE;

/// How long a connection may take to be made.
pub(crate) const CONNECT_DEADLINE: Duration = Duration::from_secs(1);

/// Where Redis is.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    client: Client,
}

impl Target {
    pub(crate) fn new(url: &str, _sharded: bool) -> RedisResult<Self> {
        let info = url.into_connection_info()?;
        // Off by default in this version: Nagle and delayed acknowledgements cost 40 ms.
        let info = info.set_tcp_settings(TcpSettings::default().set_nodelay(true));
        Ok(Self { client: Client::open(info)? })
    }

    /// A connection to publish on.
    pub(crate) async fn outlet(&self) -> RedisResult<Outlet> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_DEADLINE))
            .set_response_timeout(Some(RESPONSE_DEADLINE));
        let connection = self.client.get_multiplexed_async_connection_with_config(&config).await?;
        Ok(Outlet { connection })
    }

    /// A connection to listen on.
    pub(crate) async fn inlet(&self) -> RedisResult<(Switch, Messages)> {
        let connected = tokio::time::timeout(CONNECT_DEADLINE, self.client.get_async_pubsub());
        let pubsub: PubSub = connected.await.map_err(|_| timed_out())??;
        let (sink, stream) = pubsub.split();
        Ok((Switch { sink }, Messages { stream }))
    }
}

fn timed_out() -> redis::RedisError {
    std::io::Error::from(std::io::ErrorKind::TimedOut).into()
}

/// Publishes.
pub(crate) struct Outlet {
    connection: MultiplexedConnection,
}

impl Outlet {
    /// One pipeline, one wait.
    pub(crate) async fn publish(&mut self, messages: &[(String, Bytes)]) -> RedisResult<()> {
        let mut pipe = redis::pipe();
        for (channel, bytes) in messages {
            pipe.cmd("PUBLISH").arg(channel).arg(bytes.as_ref()).ignore();
        }
        pipe.query_async(&mut self.connection).await
    }

    pub(crate) async fn ping(&mut self) -> RedisResult<()> {
        redis::cmd("PING").query_async(&mut self.connection).await
    }
}

/// Turns channels on and off.
#[derive(Clone)]
pub(crate) struct Switch {
    sink: PubSubSink,
}

impl Switch {
    /// Returns when Redis has confirmed all of them.
    pub(crate) async fn subscribe(mut self, channels: Vec<String>) -> RedisResult<()> {
        self.sink.subscribe(channels).await
    }

    pub(crate) async fn unsubscribe(mut self, channels: Vec<String>) -> RedisResult<()> {
        self.sink.unsubscribe(channels).await
    }

    pub(crate) async fn ping(mut self) -> RedisResult<()> {
        self.sink.ping::<redis::Value>().await.map(drop)
    }
}

/// What arrives. The library's queue has no bound: take messages at once.
pub(crate) struct Messages {
    stream: PubSubStream,
}

impl Messages {
    /// The next message's bytes; none when the connection is gone.
    pub(crate) async fn next(&mut self) -> Option<Bytes> {
        self.stream.next().await.map(|message| Bytes::copy_from_slice(message.get_payload_bytes()))
    }
}
