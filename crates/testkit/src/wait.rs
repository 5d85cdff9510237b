//! Looking again until something holds.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// How long things may take that take milliseconds on a calm machine.
pub const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(10);

/// Looks until `look` finds something, and gives it; fails with `what` after `within`.
///
/// # Errors
/// When `look` fails, or nothing was found in time.
pub async fn wait_until<T>(
    what: &str,
    within: Duration,
    mut look: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let deadline = Instant::now() + within;
    loop {
        if let Some(found) = look().await.with_context(|| format!("waiting until {what}"))? {
            return Ok(found);
        }
        if Instant::now() >= deadline {
            bail!("waited {within:?} in vain until {what}");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_looks_again_and_gives_up_in_the_end() {
        let mut looks = 0;
        let found = wait_until("three", PATIENCE, async || {
            looks += 1;
            Ok((looks == 3).then_some(looks))
        });
        assert_eq!(found.await.unwrap(), 3);
        let none = wait_until("pigs fly", Duration::ZERO, async || Ok(None::<()>)).await;
        assert!(none.unwrap_err().to_string().contains("pigs fly"));
    }
}
