//! A socket as the app of the earlier system opens it: the restaurant in the address, the token in
//! the first frame, nothing else said.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

/// Such a socket.
#[derive(Debug)]
pub struct OldSocket(WebSocketStream<TcpStream>);

impl OldSocket {
    /// Connects to a worker; waits until it listens.
    ///
    /// # Errors
    /// When the worker refuses.
    pub async fn open(address: &str, restaurant: &str, token: &str) -> Result<Self> {
        let url = format!("ws://{address}/realtime?restaurant_id={restaurant}");
        let stream = TcpStream::connect(address).await?;
        let (stream, _) =
            tokio_tungstenite::client_async(url.into_client_request()?, stream).await?;
        let mut socket = Self(stream);
        socket.say(&json!({ "token": token })).await?;
        // The answer to a subscription, which it did not ask for, says what it hears.
        loop {
            let said = socket.next(crate::PATIENCE).await?.context("the worker says nothing")?;
            if said.get("topics").is_some() {
                return Ok(socket);
            }
        }
    }

    /// Sends a frame.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn say(&mut self, frame: &Value) -> Result<()> {
        Ok(self.0.send(Message::text(frame.to_string())).await?)
    }

    /// The next text frame, or nothing within that time.
    ///
    /// # Errors
    /// When the worker closes, or the connection breaks.
    pub async fn next(&mut self, within: Duration) -> Result<Option<Value>> {
        loop {
            let Ok(heard) = tokio::time::timeout(within, self.0.next()).await else {
                return Ok(None);
            };
            match heard.context("the connection has ended")?? {
                Message::Text(text) => return Ok(Some(serde_json::from_str(&text)?)),
                Message::Close(why) => bail!("closed: {why:?}"),
                _ => {}
            }
        }
    }
}
