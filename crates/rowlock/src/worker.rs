//! What the threads of one worker share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use metrics_exporter_prometheus::PrometheusHandle;
use notify::{Mailer, Pusher};
use realtime::Hub;

use crate::config::{Environment, Serve};

/// One worker. Clones share it.
#[derive(Clone)]
pub(crate) struct Worker {
    shared: Arc<Shared>,
}

struct Shared {
    name: String,
    hub: Hub,
    mailer: Mailer,
    pusher: Pusher,
    metrics: PrometheusHandle,
    metrics_token: Option<String>,
    environment: Environment,
    started: Instant,
    going: AtomicBool,
}

impl Worker {
    pub(crate) fn new(
        serve: &Serve,
        hub: Hub,
        metrics: PrometheusHandle,
        (mailer, pusher): (Mailer, Pusher),
    ) -> Self {
        let shared = Shared {
            name: serve.worker_id.clone(),
            hub,
            mailer,
            pusher,
            metrics,
            metrics_token: serve.metrics_token.clone().filter(|token| !token.is_empty()),
            environment: serve.environment,
            started: Instant::now(),
            going: AtomicBool::new(false),
        };
        Self { shared: Arc::new(shared) }
    }

    pub(crate) fn name(&self) -> &str {
        &self.shared.name
    }

    pub(crate) fn hub(&self) -> &Hub {
        &self.shared.hub
    }

    pub(crate) fn mailer(&self) -> &Mailer {
        &self.shared.mailer
    }

    pub(crate) fn pusher(&self) -> &Pusher {
        &self.shared.pusher
    }

    pub(crate) fn environment(&self) -> Environment {
        self.shared.environment
    }

    pub(crate) fn uptime(&self) -> Duration {
        self.shared.started.elapsed()
    }

    /// From now on the worker is not ready.
    pub(crate) fn go(&self) {
        self.shared.going.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_going(&self) -> bool {
        self.shared.going.load(Ordering::Relaxed)
    }

    pub(crate) fn metrics_token(&self) -> Option<&str> {
        self.shared.metrics_token.as_deref()
    }

    pub(crate) fn render_metrics(&self) -> String {
        self.shared.metrics.render()
    }

    pub(crate) fn upkeep_metrics(&self) {
        self.shared.metrics.run_upkeep();
    }
}
