//! How large a request may be beside its body, and what is not there at all.

use axum::extract::Request;
use axum::http::{HeaderMap, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::api::Refused;
use crate::wire::Problem;

/// How long a path and its query may be, in bytes.
const TARGET: usize = 8 * 1024;

/// How large all headers together may be, in bytes.
const HEADERS: usize = 16 * 1024;

pub(super) async fn sizes(request: Request, next: Next) -> Response {
    let target = request
        .uri()
        .path_and_query()
        .map_or(0, |target| target.as_str().len());
    if target > TARGET {
        let detail =
            format!("the path and the query have {target} bytes; at most {TARGET} are allowed");
        return refused(414, detail);
    }
    let headers = size(request.headers());
    if headers > HEADERS {
        let detail = format!("the headers have {headers} bytes; at most {HEADERS} are allowed");
        return refused(431, detail);
    }
    next.run(request).await
}

pub(super) async fn no_such_path(request: Request) -> Response {
    refused(
        404,
        format!("nothing is served at {}", request.uri().path()),
    )
}

pub(super) async fn no_such_method(method: Method, request: Request) -> Response {
    let path = request.uri().path();
    refused(
        405,
        format!("{method} is not served at {path}; the header Allow says what is"),
    )
}

fn size(headers: &HeaderMap) -> usize {
    headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len())
        .sum()
}

fn refused(status: u16, detail: String) -> Response {
    Refused::from(Problem::of_the_request(status, detail)).into_response()
}
