//! Logs and metrics of the process.

use std::io::IsTerminal;
use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

use crate::config::LogFormat;

/// Nobody else tidies the histograms up.
pub(crate) const UPKEEP_EVERY: Duration = Duration::from_secs(5);
/// Bounds of the histograms that end in `_seconds`.
const SECONDS: [f64; 14] =
    [0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0];

/// Without `RUST_LOG`.
const USUAL: &str = "info,actix_server=warn";
/// What is never logged, whatever `RUST_LOG` says: the driver writes what is bound to statements,
/// names and hashes among it; and that a connection has become a socket is no failure of its body.
const NEVER: [&str; 4] = [
    "tokio_postgres=info",
    "tokio_postgres::query=info",
    "tokio_postgres::prepare=info",
    "actix_http::h1::dispatcher=off",
];

/// Logs to standard error; `RUST_LOG` says how much.
pub(crate) fn logs(format: LogFormat) {
    let asked = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(USUAL));
    let never = NEVER.iter().filter_map(|directive| directive.parse().ok());
    let filter = never.fold(asked, EnvFilter::add_directive);
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    // A second call, in a test, keeps the first.
    let _ = match format {
        LogFormat::Text => logs.with_target(false).try_init(),
        LogFormat::Json => logs.json().flatten_event(true).try_init(),
    };
}

/// The recorder of this process's metrics.
pub(crate) fn metrics() -> anyhow::Result<PrometheusHandle> {
    let builder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS)?;
    Ok(builder.install_recorder()?)
}
