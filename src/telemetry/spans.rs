//! Spans of a job's way, from frame to frame: submitted, run, delivered. There are none where nothing is exported.

use std::fmt::Display;
use std::time::SystemTime;

use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags,
    TraceId, TraceState,
};
use opentelemetry::{Context, KeyValue};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::Traceparent;
use super::export::tracer;

/// From the reading of a submission to its commit. It ends when it is dropped.
#[derive(Debug)]
pub struct Submit(Box<opentelemetry_sdk::trace::Span>);

impl Submit {
    /// Begins one, where spans are exported: as a part of the client's trace, or else of a new one.
    #[must_use]
    pub fn begin(task: &str, queue: &str, parent: Option<&Traceparent>) -> Option<Self> {
        let tracer = tracer()?;
        let mut attributes = messaging("submit", queue);
        attributes.push(KeyValue::new("messaging.operation.type", "send"));
        attributes.push(KeyValue::new("task.name", task.to_owned()));
        let span = SpanBuilder::from_name("submit")
            .with_kind(SpanKind::Producer)
            .with_attributes(attributes)
            .start_with_context(tracer, &context_of(parent));
        Some(Self(Box::new(span)))
    }

    /// What is kept with the job.
    #[must_use]
    pub fn traceparent(&self) -> Option<Traceparent> {
        written(self.0.span_context())
    }

    /// The job is committed.
    pub fn stored(mut self, job: impl Display) {
        self.0.set_attributes(about(&job));
    }

    /// There is no job, for a reason of this code.
    pub fn refused(mut self, code: impl Display) {
        self.0
            .set_attribute(KeyValue::new("error.type", code.to_string()));
        self.0.set_status(Status::error(code.to_string()));
    }
}

/// When a span begins that is made when it is over, where spans are exported.
#[must_use]
pub fn span_start() -> Option<SystemTime> {
    tracer().map(|_| SystemTime::now())
}

/// The outcome of a job that is a part of a trace was delivered: read from then on, and now on its way to the client.
pub fn delivered(job: impl Display, outcome: &str, parent: &str, since: SystemTime) {
    let (Some(tracer), Some(parent)) = (tracer(), Traceparent::parse(parent)) else {
        return;
    };
    let mut attributes = about(&job);
    attributes.push(KeyValue::new("messaging.system", SYSTEM));
    attributes.push(KeyValue::new("messaging.operation.name", "deliver"));
    attributes.push(KeyValue::new("job.outcome", outcome.to_owned()));
    let span = SpanBuilder::from_name("deliver")
        .with_kind(SpanKind::Internal)
        .with_start_time(since)
        .with_attributes(attributes)
        .start_with_context(tracer, &context_of(Some(&parent)));
    drop(span);
}

/// An attempt of a job: a span of the log, which is also exported where spans are.
#[derive(Debug)]
pub struct Run(tracing::Span);

impl Run {
    /// Begins one, as a part of the trace of its job.
    #[must_use]
    pub fn begin(
        job: impl Display,
        task: &str,
        queue: &str,
        attempt: i32,
        parent: Option<&Traceparent>,
    ) -> Self {
        let kind = tracer().map(|_| "consumer");
        let span = tracing::info_span!("job", job.id = %job, task.name = task, job.attempt = attempt, otel.kind = kind);
        if tracer().is_some() {
            // It fails only where there is no such layer.
            let _ = span.set_parent(context_of(parent));
            for attribute in messaging("run", queue) {
                span.set_attribute(attribute.key, attribute.value);
            }
            span.set_attribute("messaging.operation.type", "process");
            span.set_attribute("messaging.message.id", job.to_string());
            span.context().span().update_name("run");
        }
        Self(span)
    }

    /// The span, for what happens within it.
    #[must_use]
    pub fn span(&self) -> tracing::Span {
        self.0.clone()
    }

    /// The trace with this span in it, where it is exported.
    #[must_use]
    pub fn traceparent(&self) -> Option<Traceparent> {
        tracer()?;
        written(self.0.context().span().span_context())
    }

    /// What became of it.
    pub fn ended(&self, outcome: &'static str, code: Option<&str>) {
        if tracer().is_none() {
            return;
        }
        self.0.set_attribute("job.outcome", outcome);
        if let Some(code) = code {
            self.0.set_attribute("error.type", code.to_owned());
            self.0.set_status(Status::error(code.to_owned()));
        }
        // Whatever of the task still runs.
        self.0.context().span().end();
    }
}

/// What we are called among what carries messages.
const SYSTEM: &str = "ringback";

/// As the semantic conventions for messaging have it.
fn messaging(operation: &'static str, queue: &str) -> Vec<KeyValue> {
    vec![
        KeyValue::new("messaging.system", SYSTEM),
        KeyValue::new("messaging.operation.name", operation),
        KeyValue::new("messaging.destination.name", queue.to_owned()),
    ]
}

/// Which job it is, in our word and in theirs.
fn about(job: &impl Display) -> Vec<KeyValue> {
    let job = job.to_string();
    vec![
        KeyValue::new("messaging.message.id", job.clone()),
        KeyValue::new("job.id", job),
    ]
}

/// Where a span begins that is a part of this trace, and of nothing else.
fn context_of(parent: Option<&Traceparent>) -> Context {
    match parent.and_then(read) {
        Some(parent) => Context::new().with_remote_span_context(parent),
        None => Context::new(),
    }
}

fn read(parent: &Traceparent) -> Option<SpanContext> {
    let [trace, span, flags] = parent.parts();
    Some(SpanContext::new(
        TraceId::from_hex(trace).ok()?,
        SpanId::from_hex(span).ok()?,
        TraceFlags::new(u8::from_str_radix(flags, 16).ok()?),
        true,
        TraceState::default(),
    ))
}

fn written(span: &SpanContext) -> Option<Traceparent> {
    let (trace, id, flags) = (span.trace_id(), span.span_id(), span.trace_flags());
    Traceparent::parse(&format!("00-{trace}-{id}-{flags:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_written_as_it_was_read() {
        for flags in ["00", "01"] {
            let text = format!("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-{flags}");
            let parent = Traceparent::parse(&text).unwrap();
            assert_eq!(written(&read(&parent).unwrap()), Some(parent));
        }
    }

    #[test]
    fn nothing_is_made_up_where_nothing_is_exported() {
        assert!(Submit::begin("a", "default", None).is_none());
        assert!(
            Run::begin("a", "a", "default", 1, None)
                .traceparent()
                .is_none()
        );
        assert!(span_start().is_none());
    }
}
