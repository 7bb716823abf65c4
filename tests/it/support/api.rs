//! HTTP as a program uses it: a method for each thing a user does.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};

use super::{PATIENCE, Program};

/// The HTTP API of one gateway.
pub(crate) struct Api {
    pub(crate) client: Client,
    base: String,
}

/// What was answered.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) kind: String,
    pub(crate) location: Option<String>,
    pub(crate) retry_after: Option<String>,
    pub(crate) body: Value,
}

/// An event.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) id: Option<String>,
    pub(crate) data: Value,
}

/// Events, as they come.
pub(crate) struct Events {
    response: Response,
    text: String,
}

impl Api {
    pub(crate) fn of(gateway: &Program) -> Self {
        Self::to(&gateway.address())
    }

    /// At any host and port.
    pub(crate) fn to(address: &str) -> Self {
        Self {
            client: Client::new(),
            base: format!("http://{address}"),
        }
    }

    /// The same for whoever has this token.
    pub(crate) fn with_token(gateway: &Program, token: &str) -> Self {
        Self::at(&gateway.address(), token)
    }

    /// The same at any host and port.
    pub(crate) fn at(address: &str, token: &str) -> Self {
        let mut headers = HeaderMap::new();
        let value = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
        headers.insert(AUTHORIZATION, value);
        let client = Client::builder().default_headers(headers).build().unwrap();
        Self {
            client,
            base: format!("http://{address}"),
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        Answer::of(self.client.get(self.url(path))).await
    }

    /// Without a body.
    pub(crate) async fn post(&self, path: &str) -> Answer {
        Answer::of(self.client.post(self.url(path))).await
    }

    pub(crate) async fn post_json(&self, path: &str, body: &Value) -> Answer {
        Answer::of(self.client.post(self.url(path)).json(body)).await
    }

    /// Submits a job; gives its id.
    pub(crate) async fn submit(&self, task_type: &str, content: &str) -> String {
        self.submit_as(&json!({"task_type": task_type, "content": content}))
            .await
    }

    pub(crate) async fn submit_as(&self, body: &Value) -> String {
        let answer = self.post_json("/api/v1/jobs", body).await;
        assert_eq!(answer.status, 202, "{answer:?}");
        answer.job()
    }

    pub(crate) async fn submit_with_key(&self, key: &str, body: &Value) -> Answer {
        let request = self.client.post(self.url("/api/v1/jobs"));
        Answer::of(request.header("Idempotency-Key", key).json(body)).await
    }

    pub(crate) async fn job(&self, id: &str) -> Value {
        let answer = self.get(&format!("/api/v1/jobs/{id}")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    }

    /// The job when it is over.
    pub(crate) async fn finished(&self, id: &str) -> Value {
        let answer = self.get(&format!("/api/v1/jobs/{id}?wait=30")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let state = answer.body["state"].as_str().unwrap();
        assert!(
            ["succeeded", "failed", "cancelled"].contains(&state),
            "{answer:?}"
        );
        answer.body
    }

    pub(crate) async fn events(&self, id: &str, last: Option<&str>) -> Events {
        let path = format!("/api/v1/jobs/{id}/events");
        let mut request = self.client.get(self.url(&path));
        if let Some(last) = last {
            request = request.header("Last-Event-ID", last);
        }
        Events::of(request).await
    }

    /// A stream of events that goes on for ever.
    pub(crate) async fn follow(&self, path: &str) -> Events {
        Events::of(self.client.get(self.url(path))).await
    }
}

impl Events {
    async fn of(request: RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self {
            response,
            text: String::new(),
        }
    }
}

impl Answer {
    pub(crate) async fn of(request: RequestBuilder) -> Self {
        let sent = tokio::time::timeout(PATIENCE + Duration::from_secs(10), request.send());
        let response = sent.await.expect("an answer should have come").unwrap();
        let header = |name: &str| {
            let value = response.headers().get(name)?;
            Some(value.to_str().unwrap().to_owned())
        };
        let (kind, location) = (
            header("content-type").unwrap_or_default(),
            header("location"),
        );
        let retry_after = header("retry-after");
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Self {
            status,
            kind,
            location,
            retry_after,
            body,
        }
    }

    pub(crate) fn job(&self) -> String {
        self.body["job_id"]
            .as_str()
            .unwrap_or_else(|| panic!("{self:?}"))
            .to_owned()
    }

    /// What is no JSON.
    pub(crate) fn text(&self) -> &str {
        self.body.as_str().unwrap_or_else(|| panic!("{self:?}"))
    }

    /// Makes sure that this is the problem it should be, and says so in the one form that there is for problems.
    pub(crate) fn is_problem(&self, status: u16, kind: &str) {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.kind, "application/problem+json", "{self:?}");
        assert_eq!(self.body["status"], status, "{self:?}");
        assert_eq!(self.body["type"], kind, "{self:?}");
        assert!(
            !self.body["detail"].as_str().unwrap().is_empty(),
            "{self:?}"
        );
    }

    pub(crate) fn is_error(&self, status: u16, code: &str) {
        self.is_problem(status, &format!("urn:ringback:error:{code}"));
        assert_eq!(self.body["errors"][0]["type"], code, "{self:?}");
    }
}

impl Events {
    /// The next event; none, where the stream has ended, or was cut.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        loop {
            while let Some((event, rest)) = self.text.split_once("\n\n") {
                let event = parsed(event);
                self.text = rest.to_owned();
                if event.is_some() {
                    return event;
                }
            }
            let chunk = tokio::time::timeout(PATIENCE, self.response.chunk());
            let chunk = chunk.await.expect("an event should have come").ok()??;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    pub(crate) async fn all(mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }
}

/// An event, if it has data: comments and settings have none.
fn parsed(text: &str) -> Option<Event> {
    let field = |name: &str| {
        let mut values = text
            .lines()
            .filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        values.next().map(str::to_owned)
    };
    Some(Event {
        data: serde_json::from_str(&field("data")?).unwrap(),
        name: field("event").unwrap(),
        id: field("id"),
    })
}
