//! A task that is an HTTP function: a request for each job, whose response is the result.

mod answer;
mod request;
mod signature;
mod stream;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use reqwest::{Client, Method, Url, redirect};

use super::circuit::Circuit;
use super::kind::from_json;
use super::{Environment, Kind, TaskError};
use crate::config::is_here;
use request::Call;
use signature::Key;

/// How long an attempt may take, where its entry does not say.
pub(super) const TIME_LIMIT: Duration = Duration::from_secs(60);

/// How long it may take until there is a connection,
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// how large a response may be, in bytes,
const MAX_RESPONSE: usize = 1024 * 1024;

/// and after how many failures in a row its jobs are paused; the same.
const PAUSE_AFTER: u32 = 5;

/// How long it may take until somebody calls back.
const CALLBACK_LIMIT: Duration = Duration::from_secs(3_600);

/// What a connection that nobody uses is kept for; many servers close theirs after a minute.
const IDLE: Duration = Duration::from_secs(30);

/// What is said of itself by each request, and by nobody else.
const OURS: [&str; 9] = [
    "host",
    "connection",
    "content-length",
    "content-type",
    "expect",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// What `tasks.toml` says of an HTTP function, beside its address.
#[derive(Debug, Default)]
pub(super) struct Settings {
    pub(super) method: Option<String>,
    pub(super) headers: Option<BTreeMap<String, String>>,
    pub(super) secret: Option<String>,
    pub(super) allow_http: Option<bool>,
    pub(super) max_response: Option<usize>,
    pub(super) connect_timeout: Option<Duration>,
    pub(super) pause_after: Option<u32>,
    pub(super) callback: Option<bool>,
    pub(super) callback_limit: Option<Duration>,
}

impl Settings {
    /// The name of one that is there.
    pub(super) fn any(&self) -> Option<&'static str> {
        let names = [
            ("method", self.method.is_some()),
            ("headers", self.headers.is_some()),
            ("secret", self.secret.is_some()),
            ("allow_http", self.allow_http.is_some()),
            ("max_response", self.max_response.is_some()),
            ("connect_timeout", self.connect_timeout.is_some()),
            ("pause_after", self.pause_after.is_some()),
            ("callback", self.callback.is_some()),
            ("callback_limit", self.callback_limit.is_some()),
        ];
        names
            .into_iter()
            .find(|(_, is_there)| *is_there)
            .map(|(name, _)| name)
    }

    /// The task of this name that calls `url`.
    pub(super) fn kind(
        self,
        name: &str,
        url: &str,
        environment: Environment,
    ) -> anyhow::Result<Kind> {
        let url = address(url, self.allow_http == Some(true))?;
        let method = method(self.method.as_deref())?;
        let headers = headers(self.headers.unwrap_or_default(), environment)?;
        let key = match &self.secret {
            Some(secret) => key(secret, environment)?,
            None => None,
        };
        if environment == Environment::Unread {
            // It is known here, and run elsewhere.
            return Ok(from_json(name, |_, _| async {
                Err(TaskError::new("this process does not run functions"))
            }));
        }
        let client = Client::builder()
            // Whoever is called is who the file says: no proxy of the environment, no other host, no cookies.
            .no_proxy()
            .redirect(redirect::Policy::none())
            .http1_only()
            .connect_timeout(self.connect_timeout.unwrap_or(CONNECT_TIMEOUT))
            .pool_idle_timeout(IDLE)
            .build()
            .context("could not prepare to call it")?;
        let circuit = Circuit::new(name, self.pause_after.unwrap_or(PAUSE_AFTER));
        let call = Arc::new(Call {
            task: HeaderValue::from_str(name)
                .context("its name is said in a header, and cannot be")?,
            url,
            method,
            client,
            headers,
            key,
            max_response: self.max_response.unwrap_or(MAX_RESPONSE),
            circuit: Arc::clone(&circuit),
            callback_limit: match self.callback {
                Some(true) => Some(self.callback_limit.unwrap_or(CALLBACK_LIMIT)),
                Some(false) | None => None,
            },
        });
        let mut kind = from_json(name, move |input, context| {
            let call = Arc::clone(&call);
            async move { call.run(&input, &context).await }
        });
        kind.circuit = Some(circuit);
        Ok(kind)
    }
}

fn address(text: &str, is_http_allowed: bool) -> anyhow::Result<Url> {
    let url = Url::parse(text).with_context(|| format!("{text:?} is no URL"))?;
    let host = url
        .host_str()
        .with_context(|| format!("{text:?} names no host"))?;
    match url.scheme() {
        "https" => {}
        "http" if is_here(host) || is_http_allowed => {}
        "http" => bail!(
            "{text} is not encrypted, so whoever is on the way reads and changes what is sent; use https, or say allow_http = true"
        ),
        other => bail!("{other} is not called; use https"),
    }
    if !url.username().is_empty() || url.password().is_some() {
        bail!("the url has a name or a password in it; say it in headers, as \"Basic ${{NAME}}\"");
    }
    Ok(url)
}

fn method(text: Option<&str>) -> anyhow::Result<Method> {
    match text {
        None | Some("POST") => Ok(Method::POST),
        Some("PUT") => Ok(Method::PUT),
        Some("PATCH") => Ok(Method::PATCH),
        Some(other) => {
            bail!("the method {other} has no body for the input; use POST, PUT or PATCH")
        }
    }
}

fn headers(said: BTreeMap<String, String>, environment: Environment) -> anyhow::Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    let ours = [
        (
            ACCEPT,
            "application/json, text/event-stream, text/plain;q=0.9, */*;q=0.5",
        ),
        (USER_AGENT, concat!("ringback/", env!("CARGO_PKG_VERSION"))),
        (CONTENT_TYPE, "application/json"),
    ];
    for (name, value) in ours {
        headers.insert(name, HeaderValue::from_static(value));
    }
    for (name, value) in said {
        let value = environment
            .fill(&value)
            .with_context(|| format!("in the header {name}"))?;
        let header = HeaderName::try_from(&name)
            .with_context(|| format!("{name:?} is no name of a header"))?;
        let text = header.as_str();
        if OURS.contains(&text) || text.starts_with("ringback-") || text.starts_with("webhook-") {
            bail!("the header {name} is said by each request itself");
        }
        let Some(value) = value else { continue };
        // What is wrong with a secret is not shown.
        let mut value = HeaderValue::try_from(value).ok().with_context(|| {
            format!("the value of the header {name} has characters that no header has")
        })?;
        value.set_sensitive(true);
        headers.insert(header, value);
    }
    Ok(headers)
}

fn key(secret: &str, environment: Environment) -> anyhow::Result<Option<Key>> {
    if !secret.contains("${") {
        bail!(
            "the secret stands in the file; put it into the environment, and say secret = \"${{NAME}}\""
        );
    }
    let secret = environment.fill(secret).context("in the secret")?;
    secret.as_deref().map(Key::parse).transpose()
}
