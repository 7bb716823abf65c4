//! Answers: JSON, or what is wrong.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::ids::JobId;
use crate::postgres::{Advised, Fault};
use crate::wire::{ErrorItem, JobLink, Problem};

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");

const BEARER: HeaderValue = HeaderValue::from_static("Bearer");

/// What a request is answered with.
pub(super) type Answer = Result<Response, Refused>;

/// A request that is not granted, and why.
#[derive(Debug)]
pub(in crate::gateway) struct Refused(Box<Problem>);

impl<T: Into<Problem>> From<T> for Refused {
    fn from(problem: T) -> Self {
        Self(Box::new(problem.into()))
    }
}

impl Refused {
    /// Whether the same request may be granted in a moment.
    pub(super) fn may_pass(&self) -> bool {
        self.0.retry_after().is_some()
    }

    /// The database did not do what it was asked to.
    pub(in crate::gateway) fn by_the_database(error: &sqlx::Error, what: &str) -> Self {
        tracing::warn!(error = %Advised(error), "could not {what}");
        match Fault::of(error) {
            Fault::Away | Fault::Hints | Fault::Partition => ErrorItem::away().into(),
            Fault::Locked => ErrorItem::locked().into(),
            Fault::Data | Fault::There => {
                Problem::of_the_request(500, format!("could not {what}")).into()
            }
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let problem = self.0;
        let status =
            StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = encoded(status, PROBLEM, &problem);
        if status == StatusCode::UNAUTHORIZED {
            let headers = response.headers_mut();
            headers.insert(header::WWW_AUTHENTICATE, BEARER);
        }
        if let Some(seconds) = problem.retry_after() {
            let headers = response.headers_mut();
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

/// A value as JSON.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    encoded(status, JSON, value)
}

/// The path of a job.
pub(super) fn path_of(job: JobId) -> String {
    format!("/api/v1/jobs/{job}")
}

/// A job to look at, as JSON and in the header.
pub(super) fn link(status: StatusCode, job: JobId) -> Response {
    let href = path_of(job);
    let link = JobLink { job_id: job, href };
    located(json(status, &link), job)
}

/// The same answer, with where to look at the job in its header.
pub(super) fn located(mut response: Response, job: JobId) -> Response {
    if let Ok(path) = HeaderValue::try_from(path_of(job)) {
        response.headers_mut().insert(header::LOCATION, path);
    }
    response
}

fn encoded(status: StatusCode, kind: HeaderValue, value: &impl Serialize) -> Response {
    let text = serde_json::to_vec(value)
        .expect("an answer is strings, numbers and JSON values, which all encode");
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}
