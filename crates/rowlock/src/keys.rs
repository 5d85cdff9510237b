//! `rowlock keys`: what people do about the keys that sign access tokens.

use anyhow::Context;
use edge::token::Keyring;
use kernel::clock::Clock;
use pg::{Db, DbConfig};

use crate::config::{KeysCommand, RotateKeys, WrongSetting};

pub(crate) async fn run(command: KeysCommand) -> anyhow::Result<()> {
    match command {
        KeysCommand::Rotate(rotate) => rotate_keys(rotate).await,
    }
}

async fn rotate_keys(rotate: RotateKeys) -> anyhow::Result<()> {
    let config = DbConfig { pool_size: 1, ..rotate.database.config()? };
    let (seal, clock) = (rotate.sealing.key()?, Clock::default());
    let db = Db::new(&config, clock.clone()).map_err(WrongSetting)?;
    let keys = identity::Keys::load_or_create(&db, seal.into(), Keyring::new(clock))
        .await
        .context("the signing keys cannot be loaded")?;
    if rotate.now {
        keys.replace(&db).await.context("the signing keys cannot be replaced")?;
        println!("all keys were replaced: workers refuse every older access token within 5 s");
    } else {
        keys.rotate(&db).await.context("the signing keys cannot be rotated")?;
        println!("the next key signs from now on; older access tokens count until they end");
    }
    Ok(())
}
