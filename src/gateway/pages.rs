//! The pages and the contract, compiled into the program: no files to install beside it.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Redirect};
use axum::routing::{MethodRouter, get};
use tower_http::set_header::SetResponseHeaderLayer;

use super::access::Auth;
use super::front::Front;
use super::identify;
use crate::auth::Scope;
use crate::task::form::Form;
use crate::{asyncapi, openapi};

/// Nothing from elsewhere, nothing inline: text that somebody submitted can never become a script.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";
const JSON: &str = "application/json";

/// The files in `static` beside the pages themselves, each by its name there, with its text.
macro_rules! files {
    ($($name:literal),* $(,)?) => {
        &[$((concat!("/static/", $name), include_str!(concat!("../../static/", $name)))),*]
    };
}

const FILES: &[(&str, &str)] = files![
    "asyncapi/codes.js",
    "asyncapi/contents.js",
    "asyncapi/contract.js",
    "asyncapi/docs.css",
    "asyncapi/docs.js",
    "asyncapi/draft.js",
    "asyncapi/example.css",
    "asyncapi/filter.js",
    "asyncapi/frames.js",
    "asyncapi/json.js",
    "asyncapi/message.js",
    "asyncapi/parts.js",
    "asyncapi/reading.js",
    "asyncapi/reference.css",
    "asyncapi/reference.js",
    "asyncapi/rules.js",
    "asyncapi/schema.js",
    "asyncapi/table.css",
    "asyncapi/tryit.css",
    "asyncapi/tryit.js",
    "dom.js",
    "favicon.svg",
    "jobs/act.js",
    "jobs/api.js",
    "jobs/bulk.js",
    "jobs/chart.js",
    "jobs/charts.css",
    "jobs/charts.js",
    "jobs/console.css",
    "jobs/console.js",
    "jobs/crosshair.js",
    "jobs/dialog.js",
    "jobs/facts.js",
    "jobs/feed.js",
    "jobs/filter.js",
    "jobs/filters.css",
    "jobs/filters.js",
    "jobs/fleet.css",
    "jobs/fleet.js",
    "jobs/inshard.js",
    "jobs/keyed.js",
    "jobs/list.css",
    "jobs/list.js",
    "jobs/look.js",
    "jobs/overview.css",
    "jobs/overview.js",
    "jobs/parts.css",
    "jobs/queues.css",
    "jobs/queues.js",
    "jobs/row.js",
    "jobs/said.js",
    "jobs/scale.js",
    "jobs/shard.js",
    "jobs/source.js",
    "jobs/story.css",
    "jobs/story.js",
    "jobs/stream.js",
    "jobs/svg.js",
    "jobs/timeline.js",
    "jobs/value.js",
    "jobs/words.js",
    "system/announcer.js",
    "system/badge.js",
    "system/card.css",
    "system/card.js",
    "system/caret.js",
    "system/choices.js",
    "system/composer.css",
    "system/composer.js",
    "system/control.js",
    "system/conversation.js",
    "system/earlier.js",
    "system/emptiness.js",
    "system/exact.js",
    "system/field.js",
    "system/fields.js",
    "system/foot.js",
    "system/frames.js",
    "system/job.js",
    "system/longtext.js",
    "system/lookout.js",
    "system/notice.js",
    "system/outbox.js",
    "system/page.css",
    "system/page.js",
    "system/scroller.js",
    "system/shape.js",
    "system/tasks.js",
    "system/text.js",
    "theme.css",
    "token.css",
    "token.js",
];

const PAGES: &[(&str, &str)] = &[
    ("/system/", include_str!("../../static/system/index.html")),
    ("/jobs/", include_str!("../../static/jobs/index.html")),
    (
        "/asyncapi/docs/",
        include_str!("../../static/asyncapi/index.html"),
    ),
];

/// What a page says of the gateway that it comes from.
const ASKS_NOBODY: &str = r#"data-auth="none""#;
const ASKS_FOR_A_TOKEN: &str = r#"data-auth="jwt""#;

/// Where one is led from other addresses.
const MOVED: &[(&str, &str)] = &[
    ("/system", "/system/"),
    ("/jobs", "/jobs/"),
    ("/asyncapi/docs", "/asyncapi/docs/"),
    ("/favicon.ico", "/static/favicon.svg"),
];

pub(super) fn routes<S: Clone + Send + Sync + 'static>(front: &Arc<Front>) -> Router<S> {
    let auth = &front.settings.access.auth;
    // With the tasks that there are when somebody reads it who may submit jobs; what they are is nobody else's concern.
    let contract = |text: fn(&[Form]) -> String| {
        let front = Arc::clone(front);
        get(async move |headers: HeaderMap| {
            let who = identify::of(&headers, &front).await;
            let may_know = who.is_ok_and(|who| who.0.may(Scope::JobsSubmit));
            // The fleet is the same in each.
            let forms = match front.any().filter(|_| may_know) {
                Some(shared) => shared.tasks.forms(),
                None => Vec::new(),
            };
            ([(header::CONTENT_TYPE, JSON)], text(&forms))
        })
    };
    let moved = MOVED.iter().fold(Router::new(), |router, (from, to)| {
        router.route(from, get(move || async move { Redirect::permanent(to) }))
    });
    let client = (
        "/static/ringback.js",
        include_str!("../../clients/js/ringback.js"),
    );
    let files = FILES.iter().chain([&client]);
    let router = files.fold(moved, |router, (path, text)| {
        router.route(
            path,
            page(kind_of(path), Bytes::from_static(text.as_bytes())),
        )
    });
    let router = PAGES.iter().fold(router, |router, (path, text)| {
        router.route(path, page(HTML, of_this_gateway(text, auth)))
    });
    let router = router
        .route("/", get(|| async { Redirect::temporary("/system/") }))
        .route("/asyncapi/schema.json", contract(asyncapi::text))
        .route(openapi::PATH, contract(openapi::text));
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

fn kind_of(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("css") => CSS,
        Some("js") => SCRIPT,
        Some("svg") => SVG,
        _ => "application/octet-stream",
    }
}

/// A page that knows whether it has to ask for a token, so that it need not find out before it begins.
fn of_this_gateway(page: &'static str, auth: &Auth) -> Bytes {
    match auth {
        Auth::None => Bytes::from_static(page.as_bytes()),
        Auth::Tokens(_) => page.replacen(ASKS_NOBODY, ASKS_FOR_A_TOKEN, 1).into(),
    }
}

fn page<S: Clone + Send + Sync + 'static>(kind: &'static str, body: Bytes) -> MethodRouter<S> {
    get(move || async move { ([(header::CONTENT_TYPE, kind)], body).into_response() })
}

pub(super) fn with_header(
    name: HeaderName,
    value: &'static str,
) -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::overriding(name, HeaderValue::from_static(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_page_has_a_place_for_what_its_gateway_asks() {
        for (path, page) in PAGES {
            assert_eq!(page.matches(ASKS_NOBODY).count(), 1, "{path}");
        }
    }
}
