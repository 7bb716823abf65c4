//! The pages and the contract, compiled into the program: no files to install beside it.

use axum::Router;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Redirect};
use axum::routing::{MethodRouter, get};
use tower_http::set_header::SetResponseHeaderLayer;

use crate::{asyncapi, openapi};

/// Nothing from elsewhere, nothing inline: text that somebody submitted can never become a script.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";
const JSON: &str = "application/json";

pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let router = Router::new()
        .route("/", get(|| async { Redirect::temporary("/system/") }))
        .route("/system", get(|| async { Redirect::permanent("/system/") }))
        .route(
            "/asyncapi/docs",
            get(|| async { Redirect::permanent("/asyncapi/docs/") }),
        )
        .route(
            "/system/",
            page(HTML, include_str!("../../static/system/index.html")),
        )
        .route(
            "/static/system/page.css",
            page(CSS, include_str!("../../static/system/page.css")),
        )
        .route(
            "/static/system/page.js",
            page(SCRIPT, include_str!("../../static/system/page.js")),
        )
        .route(
            "/static/ringback.js",
            page(SCRIPT, include_str!("../../clients/js/ringback.js")),
        )
        .route(
            "/static/theme.css",
            page(CSS, include_str!("../../static/theme.css")),
        )
        .route(
            "/static/favicon.svg",
            page(SVG, include_str!("../../static/favicon.svg")),
        )
        .route(
            "/favicon.ico",
            get(|| async { Redirect::permanent("/static/favicon.svg") }),
        )
        .route(
            "/asyncapi/docs/",
            page(HTML, include_str!("../../static/asyncapi/index.html")),
        )
        .route(
            "/static/asyncapi/docs.css",
            page(CSS, include_str!("../../static/asyncapi/docs.css")),
        )
        .route(
            "/static/asyncapi/docs.js",
            page(SCRIPT, include_str!("../../static/asyncapi/docs.js")),
        )
        .route(
            "/asyncapi/schema.json",
            get(|| async { ([(header::CONTENT_TYPE, JSON)], asyncapi::text()) }),
        )
        .route(
            openapi::PATH,
            get(|| async { ([(header::CONTENT_TYPE, JSON)], openapi::text()) }),
        );
    [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-cache"),
    ]
    .into_iter()
    .fold(router, |router, (name, value)| {
        router.layer(with_header(name, value))
    })
}

fn page<S: Clone + Send + Sync + 'static>(
    kind: &'static str,
    body: &'static str,
) -> MethodRouter<S> {
    get(move || async move { ([(header::CONTENT_TYPE, kind)], body).into_response() })
}

pub(super) fn with_header(
    name: HeaderName,
    value: &'static str,
) -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::overriding(name, HeaderValue::from_static(value))
}
