//! A request: what is said to a function, and how it is reached.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use jiff::Timestamp;
use reqwest::header::{HeaderMap, HeaderValue, LOCATION};
use reqwest::{Client, Method, Response, StatusCode, Url};
use serde_json::Value;

use super::super::circuit::{Blame, Circuit};
use super::super::{Callback, Context, TaskError};
use super::answer::{self, Failed};
use super::signature::Key;

/// How often one request may be sent on.
const REDIRECTS: usize = 5;

/// What is said of a job that waits for it.
const PAUSED: &str = "the function does not answer; its jobs are paused";

/// How a function is called.
#[derive(Debug)]
pub(super) struct Call {
    /// The name of the task.
    pub(super) task: HeaderValue,
    pub(super) url: Url,
    pub(super) method: Method,
    /// Its own, with its own connections.
    pub(super) client: Client,
    /// Those of every request.
    pub(super) headers: HeaderMap,
    pub(super) key: Option<Key>,
    /// In bytes.
    pub(super) max_response: usize,
    pub(super) circuit: Arc<Circuit>,
    /// How long it may take to be called back, where that may be.
    pub(super) callback_limit: Option<Duration>,
}

impl Call {
    /// Calls it once for a job, if it seems to be there. When this is dropped, the connection closes.
    pub(super) async fn run(&self, input: &Value, context: &Context) -> Result<Value, TaskError> {
        let passage = self.circuit.enter(context.job, context.deadline);
        let passage = passage.map_err(|wait| TaskError::postponed(PAUSED, wait))?;
        match self.ask(input, context).await {
            Ok(result) => {
                passage.answered();
                Ok(result)
            }
            Err(Failed::Answered(error)) => {
                passage.answered();
                Err(error)
            }
            // Nothing is known of it.
            Err(Failed::Before(error)) => Err(error),
            Err(Failed::Away(error)) => Err(match passage.failed() {
                Blame::Job => error,
                Blame::Nobody(wait) => TaskError::postponed(PAUSED, wait),
            }),
        }
    }

    async fn ask(&self, input: &Value, context: &Context) -> Result<Value, Failed> {
        let body = input.to_string();
        let mut headers = self.headers_of(&body, context);
        let mut waits = None;
        if let Some(limit) = self.callback_limit {
            // Before anything is sent: whoever is quick calls back before the response is here.
            let callback = context.callback().await.map_err(Failed::Before)?;
            if let Some(Callback { url, token }) = callback {
                headers.insert("ringback-callback-url", ours(&url));
                headers.insert("ringback-callback-token", secret(token.reveal()));
                waits = Some(limit);
            }
        }
        let response = self.send(&headers, &body).await?;
        if let Some(limit) = waits.filter(|_| response.status() == StatusCode::ACCEPTED) {
            return Err(Failed::Answered(TaskError::waiting(limit)));
        }
        answer::read(response, self.max_response, context).await
    }

    fn headers_of(&self, body: &str, context: &Context) -> HeaderMap {
        let mut headers = self.headers.clone();
        let id = context.job.to_string();
        headers.insert("ringback-job", ours(&id));
        headers.insert("ringback-attempt", context.attempt.into());
        headers.insert("ringback-task", self.task.clone());
        let remaining = context
            .deadline
            .map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let deadline = remaining.and_then(|time| Timestamp::now().checked_add(time).ok());
        if let Some(deadline) = deadline {
            headers.insert("ringback-deadline", ours(&format!("{deadline:.3}")));
        }
        if let Some(traceparent) = context.traceparent() {
            headers.insert("traceparent", ours(traceparent));
        }
        if let Some(key) = &self.key {
            let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
            let timestamp = since.as_secs();
            let signature = key.sign(&id, timestamp, body.as_bytes());
            headers.insert("webhook-id", ours(&id));
            headers.insert("webhook-timestamp", timestamp.into());
            headers.insert("webhook-signature", ours(&signature));
        }
        headers
    }

    /// Sends it, and sends it on where it is told to, but never to another host.
    async fn send(&self, headers: &HeaderMap, body: &str) -> Result<Response, Failed> {
        let mut url = self.url.clone();
        for _ in 0..=REDIRECTS {
            let request = self.client.request(self.method.clone(), url.clone());
            let request = request.headers(headers.clone()).body(body.to_owned());
            let response = request.send().await;
            let response =
                response.map_err(|error| answer::unreachable(error, "could not be reached"))?;
            let status = response.status();
            if !matches!(
                status,
                StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT
            ) {
                return Ok(response);
            }
            url = onward(&url, &response).map_err(|why| answer::elsewhere(status, &why))?;
            if self.is_elsewhere(&url) {
                let why = "to another host, where neither the input nor the headers are for";
                return Err(answer::elsewhere(status, why));
            }
        }
        Err(answer::elsewhere(
            StatusCode::TEMPORARY_REDIRECT,
            "again and again",
        ))
    }

    fn is_elsewhere(&self, url: &Url) -> bool {
        let place = |url: &Url| {
            let host = url.host_str().map(str::to_owned);
            (url.scheme().to_owned(), host, url.port_or_known_default())
        };
        place(url) != place(&self.url)
    }
}

fn ours(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("what we write has only characters that headers have")
}

fn secret(text: &str) -> HeaderValue {
    let mut value = ours(text);
    value.set_sensitive(true);
    value
}

fn onward(url: &Url, response: &Response) -> Result<Url, String> {
    let location = response.headers().get(LOCATION);
    let location = location.and_then(|location| location.to_str().ok());
    let location = location.ok_or_else(|| "and does not say where to".to_owned())?;
    url.join(location)
        .map_err(|error| format!("to what is no URL: {error}"))
}
