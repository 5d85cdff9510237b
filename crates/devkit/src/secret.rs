//! Random passwords and keys for servers that only this machine uses.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use base64::Engine as _;

use crate::Account;

fn random_bytes<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    let mut source = File::open("/dev/urandom").context("/dev/urandom can't be read")?;
    source.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Writes a file that only `account` can read.
pub fn write_secret(file: &Path, content: &str, account: &Account) -> Result<()> {
    // Removed first: an old file may have other permissions or another owner.
    if file.exists() {
        fs::remove_file(file)?;
    }
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
    let mut made = made.with_context(|| format!("can't write {}", file.display()))?;
    made.write_all(content.as_bytes())?;
    account.own(file)
}

/// 128 random bits in hexadecimal: safe in a URL.
pub fn password() -> Result<String> {
    Ok(hex(&random_bytes::<16>()?))
}

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// 32 random bytes in base64, the form of `ROWLOCK_KEY`.
pub fn base64_key() -> Result<String> {
    Ok(base64::engine::general_purpose::STANDARD.encode(random_bytes::<32>()?))
}
