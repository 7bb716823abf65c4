//! What a request says beside its body: in its path, its query and its headers.

use std::time::Duration;

use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use uuid::Uuid;

use super::Refused;
use super::values::{cursor, ids, position, text, text_with_nul, time, too_long, whole};
use crate::ids::JobId;
use crate::queue::jobs::{Filter, PAGE_LIMIT};
use crate::queue::report::Position;
use crate::queue::samples;
use crate::telemetry::Traceparent;
use crate::wire::{ErrorItem, ErrorType, JobState, KEY_LIMIT, WAIT_LIMIT, Wrong, in_range};

/// How many jobs a page has when nothing is said.
const PAGE: i64 = 50;

/// What names one of several shards.
const SHARD: &str = "shard";

/// The job that a path names.
pub(super) struct Id(pub(super) JobId);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let named = named(parts, state).await?;
        let id = Uuid::parse_str(&named).map_err(|error| {
            let msg = format!("Input should be a valid UUID, {error}");
            ErrorItem::new(ErrorType::UuidParsing, &["path", "id"], msg)
        });
        Ok(Self(JobId(id?)))
    }
}

/// The queue that a path names.
pub(super) struct QueueName(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for QueueName {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let name = named(parts, state).await?;
        let loc = ["path", "name"];
        if name.contains('\0') {
            return Err(text_with_nul(&loc).into());
        }
        if name.len() > KEY_LIMIT {
            return Err(too_long(&loc, &name).into());
        }
        Ok(Self(name))
    }
}

async fn named<S: Send + Sync>(parts: &mut Parts, state: &S) -> Result<String, Refused> {
    let path: Result<Path<String>, PathRejection> = Path::from_request_parts(parts, state).await;
    match path {
        Ok(Path(name)) => Ok(name),
        Err(_) => {
            let msg = "Input should be a valid string, percent-encoded UTF-8";
            Err(ErrorItem::new(ErrorType::StringType, &["path"], msg).into())
        }
    }
}

/// What the query says, and what is wrong with it.
#[derive(Default)]
pub(super) struct Query {
    pairs: Vec<(String, String)>,
    errors: Vec<ErrorItem>,
}

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        let query = parts.uri.query().unwrap_or_default();
        Ok(Self {
            pairs: form_urlencoded::parse(query.as_bytes())
                .into_owned()
                .collect(),
            errors: Vec::new(),
        })
    }
}

impl Query {
    /// For how long to wait: not at all, if it does not say.
    pub(super) fn wait(mut self) -> Result<Duration, Refused> {
        let wait = self.one("wait", |text| {
            let seconds = text
                .parse()
                .ok()
                .filter(|seconds: &f64| seconds.is_finite());
            let seconds = seconds.ok_or((
                ErrorType::FloatType,
                "Input should be a valid number".into(),
            ))?;
            in_range(seconds, 0.0, WAIT_LIMIT.as_secs_f64())
        });
        self.done()?;
        Ok(Duration::from_secs_f64(wait.unwrap_or_default()))
    }

    /// How long a time to tell of, until now: an hour, if it does not say.
    pub(super) fn span(mut self) -> Result<Duration, Refused> {
        let span = self.one("span", |text| whole(text, 60, samples::LONGEST.as_secs()));
        self.done()?;
        Ok(Duration::from_secs(span.unwrap_or(3_600)))
    }

    /// Which of so many shards to look at, if it says.
    pub(super) fn shard(mut self, shards: usize) -> Result<Option<usize>, Refused> {
        let shard = self.one(SHARD, |text| whole(text, 1, shards));
        self.done()?;
        Ok(shard)
    }

    /// After which piece of a text to begin: before the first, if it does not say.
    pub(super) fn position(mut self) -> Result<Position, Refused> {
        let after = self.one("after", |text| {
            let msg = "Value error, give the place of a piece, such as 2-17";
            position(text).ok_or((ErrorType::ValueError, msg.to_owned()))
        });
        self.done()?;
        Ok(after.unwrap_or_default())
    }

    /// Which jobs to list: those, before this one, so many.
    pub(super) fn page(mut self) -> Result<(Filter, Option<JobId>, i64), Refused> {
        let filter = self.filter();
        let limit = self.one("limit", |text| whole(text, 1, PAGE_LIMIT));
        let cursor = self.one("cursor", cursor);
        self.done()?;
        Ok((filter, cursor, limit.unwrap_or(PAGE)))
    }

    /// Which jobs to find: those, before this one.
    pub(super) fn jobs(mut self) -> Result<(Filter, Option<JobId>), Refused> {
        let filter = self.filter();
        let cursor = self.one("cursor", cursor);
        self.done()?;
        Ok((filter, cursor))
    }

    fn filter(&mut self) -> Filter {
        Filter {
            states: self.states(),
            task: self.one("task", text),
            queue: self.one("queue", text),
            owner: self.one("owner", text),
            since: self.one("since", time),
            until: self.one("until", time),
            search: self.one("search", text),
            ids: self.one("id", ids),
        }
    }

    /// Names of states, separated by commas or given one by one.
    fn states(&mut self) -> Vec<JobState> {
        let given: Vec<String> = self
            .pairs
            .iter()
            .filter(|(name, _)| name == "state")
            .flat_map(|(_, names)| names.split(',').map(str::to_owned))
            .collect();
        let mut states = Vec::new();
        for name in given {
            match JobState::named(&name) {
                Some(state) => states.push(state),
                None => {
                    let known = JobState::ALL.map(JobState::name).join(", ");
                    let msg = format!("Input should be one of {known}");
                    self.errors.push(ErrorItem::new(
                        ErrorType::ValueError,
                        &["query", "state"],
                        msg,
                    ));
                }
            }
        }
        states
    }

    /// A value that may be given once.
    fn one<T>(&mut self, name: &str, value: impl FnOnce(&str) -> Result<T, Wrong>) -> Option<T> {
        let mut given = self.pairs.iter().filter(|(given, _)| given == name);
        let (_, text) = given.next()?;
        let read = if given.next().is_some() {
            Err((
                ErrorType::ValueError,
                "Value error, give it once".to_owned(),
            ))
        } else {
            value(text)
        };
        read.map_err(|(kind, msg)| {
            self.errors
                .push(ErrorItem::new(kind, &["query", name], msg));
        })
        .ok()
    }

    fn done(self) -> Result<(), Refused> {
        if self.errors.is_empty() {
            Ok(())
        } else {
            Err(self.errors.into())
        }
    }
}

/// What makes this submission the same when it comes again, if the headers say so.
pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Refused> {
    let loc = ["header", "Idempotency-Key"];
    let mut given = headers.get_all("idempotency-key").iter();
    let Some(key) = given.next() else {
        return Ok(None);
    };
    let wrong = |msg: &str| ErrorItem::new(ErrorType::StringType, &loc, msg);
    if given.next().is_some() {
        return Err(wrong("Input should be given once").into());
    }
    let Some(key) = key.to_str().ok().filter(|key| !key.contains('\t')) else {
        return Err(wrong("Input should be a string of visible ASCII characters").into());
    };
    // A string of structured fields (RFC 8941) has quotation marks; many clients leave them out.
    let quoted = key.strip_prefix('"').and_then(|key| key.strip_suffix('"'));
    let key = match quoted {
        Some(key) => key.replace("\\\"", "\"").replace("\\\\", "\\"),
        None => key.to_owned(),
    };
    match key.len() {
        0 => Err(wrong("Input should be a string that is not empty").into()),
        1..=KEY_LIMIT => Ok(Some(key)),
        _ => Err(too_long(&loc, &key).into()),
    }
}

/// The trace that this submission is a part of, if the headers say so; what is malformed says nothing.
pub(super) fn traceparent(headers: &HeaderMap) -> Option<Traceparent> {
    let mut given = headers.get_all("traceparent").iter();
    let text = given.next()?.to_str().ok()?;
    match given.next() {
        Some(_) => None,
        None => Traceparent::parse(text),
    }
}
