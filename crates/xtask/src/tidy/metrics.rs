//! What alerts and dashboards ask for has to be there: a metric that was renamed leaves an alert that
//! never fires again, and nobody hears of it.

use super::Source;

/// Files that name metrics.
pub(super) const WATCHERS: [&str; 2] =
    ["deploy/prometheus/rules.yml", "deploy/grafana/rowlock.json"];
/// How the names of our metrics begin.
const PREFIXES: [&str; 6] = ["rowlock_", "http_", "pg_", "job_", "payments_", "booking_"];
/// What Prometheus puts behind the name of a histogram.
const SUFFIX: &str = "_bucket";

/// Metrics that `path` asks for and no source records.
pub(super) fn check(path: &str, text: &str, sources: &[Source]) -> Vec<String> {
    let mut names = names(text);
    names.sort_unstable();
    names.dedup();
    let recorded = |name: &str| {
        let quoted = format!("\"{name}\"");
        sources.iter().any(|source| source.text.contains(&quoted))
    };
    let missing = names.into_iter().filter(|name| !recorded(name));
    missing.map(|name| format!("{path}: no worker has the metric {name}")).collect()
}

fn names(text: &str) -> Vec<&str> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let ours = words.filter(|word| PREFIXES.iter().any(|prefix| word.starts_with(prefix)));
    ours.map(|word| word.strip_suffix(SUFFIX).unwrap_or(word)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_that_nobody_records_is_found() {
        let text = "metrics::counter!(\"pg_pool_exhausted_total\")".to_owned();
        let sources = [Source { path: "crates/pg/src/db.rs".to_owned(), text }];
        let asked = "rate(pg_pool_exhausted_total[5m]) + rate(pg_gone_total[5m])";
        let found = check("rules.yml", asked, &sources);
        assert_eq!(found, ["rules.yml: no worker has the metric pg_gone_total"]);
    }

    #[test]
    fn a_histogram_is_asked_for_by_its_buckets() {
        assert_eq!(names("rate(http_request_seconds_bucket[5m])"), ["http_request_seconds"]);
    }
}
