//! The body of a request: JSON, not too large, and not for ever on its way.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Bytes, to_bytes};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};

use super::super::front::Front;
use super::Refused;
use crate::wire::Problem;

/// How long a body may take to come.
const PATIENCE: Duration = Duration::from_secs(30);

/// The body of a request.
pub(super) struct JsonBody(pub(super) Bytes);

impl FromRequest<Arc<Front>> for JsonBody {
    type Rejection = Refused;

    async fn from_request(request: Request, front: &Arc<Front>) -> Result<Self, Refused> {
        check_kind(request.headers())?;
        let limit = front.settings.max_frame;
        let too_large = || {
            let detail = format!("the body is over {limit} bytes");
            Problem::of_the_request(413, detail)
        };
        let length = request.headers().get(header::CONTENT_LENGTH);
        let length = length.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        if length.is_some_and(|length| length > limit) {
            return Err(too_large().into());
        }
        let read = to_bytes(request.into_body(), limit);
        match tokio::time::timeout(PATIENCE, read).await {
            Ok(Ok(body)) => Ok(Self(body)),
            // The library's error is not public; its words are.
            Ok(Err(error)) if error.to_string().contains("limit") => Err(too_large().into()),
            Ok(Err(_)) => Err(Problem::of_the_request(400, "the body is broken off").into()),
            Err(_) => {
                let detail = format!("the body did not come within {} s", PATIENCE.as_secs());
                Err(Problem::of_the_request(408, detail).into())
            }
        }
    }
}

/// Only what says that it is JSON: a page of another site can make a browser send anything else unasked.
fn check_kind(headers: &HeaderMap) -> Result<(), Refused> {
    let kind = headers.get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok());
    let kind = kind.map(|kind| kind.split(';').next().unwrap_or_default().trim());
    if headers.contains_key(header::CONTENT_ENCODING) {
        let detail = "the body must be JSON as it is, without a Content-Encoding";
        return Err(Problem::of_the_request(415, detail).into());
    }
    match kind {
        Some(kind) if kind.eq_ignore_ascii_case("application/json") => Ok(()),
        _ => {
            let detail = "the body must be JSON, and say so: Content-Type: application/json";
            Err(Problem::of_the_request(415, detail).into())
        }
    }
}
