//! Where spans go: to a collector, by OTLP over HTTP, from a thread of its own.
//!
//! What it reads from the environment by itself, as the standard of OpenTelemetry has it: `OTEL_SERVICE_NAME`,
//! `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_TRACES_SAMPLER` and its `_ARG`, `OTEL_EXPORTER_OTLP_HEADERS`, and `OTEL_BSP_…`.

use std::fmt::Display;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use opentelemetry::trace::TracerProvider;
use opentelemetry::{InstrumentationScope, Key, KeyValue};
use opentelemetry_otlp::{Protocol, SpanExporter as Otlp, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider, SpanData, SpanExporter};
use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata, Subscriber, subscriber::Interest};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, Filter};
use tracing_subscriber::registry::LookupSpan;

/// What a process is called that has no other name.
const SERVICE: &str = "ringback";

/// How long the collector may still take when the process ends.
const LAST_MOMENT: Duration = Duration::from_secs(2);

/// How often it is said that the collector is away.
const SAID_EVERY: Duration = Duration::from_secs(60);

/// The tracing span of an attempt: `worker/layer.rs` makes it.
pub(super) const RUN: &str = "job";

/// One for each process, like the log.
static EXPORT: OnceLock<Export> = OnceLock::new();

struct Export {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

/// Exports spans to the collector at `endpoint`, from now on. To be called before the log is started.
///
/// # Errors
/// When that is no address, or the thread that exports could not be started.
pub fn export_to(endpoint: &str) -> anyhow::Result<()> {
    let url = format!("{}/v1/traces", endpoint.trim_end_matches('/'));
    let exporter = Otlp::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(url)
        .build()
        .with_context(|| format!("could not prepare to export spans to {endpoint}"))?;
    let provider = SdkTracerProvider::builder()
        .with_resource(resource())
        .with_batch_exporter(Collector {
            exporter,
            away: Mutex::default(),
        })
        .build();
    let scope = InstrumentationScope::builder(SERVICE).with_version(env!("CARGO_PKG_VERSION"));
    let tracer = provider.tracer_with_scope(scope.build());
    let is_first = EXPORT.set(Export { provider, tracer }).is_ok();
    ensure!(is_first, "spans are exported already");
    Ok(())
}

/// What makes spans, where they are exported.
pub(super) fn tracer() -> Option<&'static SdkTracer> {
    EXPORT.get().map(|export| &export.tracer)
}

/// Exports what is left, as far as the collector takes it in a moment. Nothing is exported after it.
pub fn flush() {
    if let Some(export) = EXPORT.get()
        && let Err(error) = export.provider.shutdown_with_timeout(LAST_MOMENT)
    {
        tracing::warn!(%error, "the last spans could not be exported");
    }
}

/// What makes spans of the attempts of jobs, and of the `tracing` spans of their tasks within them.
pub(super) fn layer<S>() -> Option<Box<dyn Layer<S> + Send + Sync>>
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
{
    let layer = tracing_opentelemetry::layer()
        .with_tracer(tracer()?.clone())
        .with_location(false)
        .with_target(false)
        .with_threads(false)
        .with_tracked_inactivity(false);
    Some(layer.with_filter(WithinRuns).boxed())
}

/// The span of an attempt, and those within one.
struct WithinRuns;

impl WithinRuns {
    fn may_be(metadata: &Metadata<'_>) -> bool {
        metadata.is_span() && *metadata.level() <= Level::INFO
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Filter<S> for WithinRuns {
    fn enabled(&self, metadata: &Metadata<'_>, cx: &Context<'_, S>) -> bool {
        let is_run = || metadata.name() == RUN && metadata.target().starts_with(SERVICE);
        Self::may_be(metadata) && (is_run() || cx.lookup_current().is_some())
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        if Self::may_be(metadata) {
            Interest::sometimes()
        } else {
            Interest::never()
        }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::INFO)
    }
}

fn resource() -> Resource {
    let said = Resource::builder().build();
    let name = said.get(&Key::from_static_str("service.name"));
    let named = name.is_some_and(|name| !name.as_str().starts_with("unknown_service"));
    let mut resource = Resource::builder()
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
    if !named {
        resource = resource.with_service_name(SERVICE);
    }
    resource.build()
}

/// The collector: one that is away is said to be, now and then.
#[derive(Debug)]
struct Collector {
    exporter: Otlp,
    away: Mutex<Option<Away>>,
}

#[derive(Debug)]
struct Away {
    /// How many spans were lost since that was last said.
    lost: usize,
    said: Instant,
}

impl Collector {
    fn lost(&self, spans: usize, error: &impl Display) {
        let mut away = self.away.lock().unwrap_or_else(PoisonError::into_inner);
        let lost = spans + away.as_ref().map_or(0, |away| away.lost);
        if let Some(away) = away
            .as_mut()
            .filter(|away| away.said.elapsed() < SAID_EVERY)
        {
            away.lost = lost;
            return;
        }
        let said = Instant::now();
        *away = Some(Away { lost: 0, said });
        drop(away);
        tracing::warn!(%error, spans = lost, "spans could not be exported, and are lost");
    }

    fn took(&self) {
        let away = self
            .away
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(away) = away {
            tracing::info!(lost = away.lost, "spans are exported again");
        }
    }
}

impl SpanExporter for Collector {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let exported = self.exporter.export(batch).await;
        match &exported {
            Ok(()) => self.took(),
            Err(error) => self.lost(spans, error),
        }
        exported
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
