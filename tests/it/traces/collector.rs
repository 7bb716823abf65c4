//! A collector of spans, as OpenTelemetry has it: OTLP over HTTP, in protobuf.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::support::eventually;

/// One on this machine.
pub(crate) struct Collector {
    pub(crate) url: String,
    spans: Arc<Mutex<Vec<Collected>>>,
    _serving: JoinSet<()>,
}

/// A span, as it was exported.
#[derive(Clone, Debug)]
pub(crate) struct Collected {
    pub(crate) name: String,
    pub(crate) trace: String,
    pub(crate) id: String,
    /// Empty for the first of a trace.
    pub(crate) parent: String,
    pub(crate) kind: i32,
    pub(crate) is_error: bool,
    pub(crate) lasted: std::ops::Range<u64>,
    /// Its own, and those of its process.
    pub(crate) attributes: BTreeMap<String, String>,
}

impl Collector {
    pub(crate) async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let spans = Arc::new(Mutex::new(Vec::new()));
        let ours = Arc::clone(&spans);
        let collect = move |headers: HeaderMap, body: Bytes| async move {
            assert_eq!(headers["content-type"], "application/x-protobuf");
            let request = ExportTraceServiceRequest::decode(body).unwrap();
            ours.lock().unwrap().extend(collected(request));
            StatusCode::OK
        };
        let router = Router::new().route("/v1/traces", post(collect));
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            url,
            spans,
            _serving: serving,
        }
    }

    /// All that was exported until now.
    pub(crate) fn spans(&self) -> Vec<Collected> {
        self.spans.lock().unwrap().clone()
    }

    /// Waits until there are so many of this name in a trace, and gives them, in the order in which they began.
    pub(crate) async fn named(&self, name: &str, trace: &str, count: usize) -> Vec<Collected> {
        let mut found = Vec::new();
        eventually(
            &format!("{count} spans should be called {name}"),
            async || {
                found = self.spans();
                found.retain(|span| span.name == name && span.trace == trace);
                found.len() >= count
            },
        )
        .await;
        found.sort_by_key(|span| span.lasted.start);
        assert_eq!(found.len(), count, "{found:?}");
        found
    }

    /// The same for the only one.
    pub(crate) async fn one(&self, name: &str, trace: &str) -> Collected {
        self.named(name, trace, 1).await.remove(0)
    }
}

fn collected(request: ExportTraceServiceRequest) -> Vec<Collected> {
    let mut spans = Vec::new();
    for of_process in request.resource_spans {
        let process = of_process.resource.unwrap_or_else(Resource::default);
        for scope in of_process.scope_spans {
            let of_scope = scope.spans.into_iter();
            spans.extend(of_scope.map(|span| of_one(span, &process.attributes)));
        }
    }
    spans
}

fn of_one(span: Span, process: &[KeyValue]) -> Collected {
    let hex = |bytes: &[u8]| -> String { bytes.iter().map(|byte| format!("{byte:02x}")).collect() };
    Collected {
        trace: hex(&span.trace_id),
        id: hex(&span.span_id),
        parent: hex(&span.parent_span_id),
        kind: span.kind,
        is_error: span.status.is_some_and(|status| status.code == 2),
        lasted: span.start_time_unix_nano..span.end_time_unix_nano,
        attributes: process
            .iter()
            .chain(&span.attributes)
            .map(attribute)
            .collect(),
        name: span.name,
    }
}

fn attribute(attribute: &KeyValue) -> (String, String) {
    let value = attribute
        .value
        .as_ref()
        .and_then(|value| value.value.as_ref());
    let text = match value {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    (attribute.key.clone(), text)
}
