//! Whether this gateway lives, and whether it can do its work.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use tokio::time::Instant;

use super::Shared;

/// How long an answer is good.
const FRESH: Duration = Duration::from_millis(500);

/// How long the database may take to answer a question about itself.
const LIMIT: Duration = Duration::from_secs(2);

/// It lives, or it could not say so.
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// It can take jobs; or why it cannot.
pub(super) async fn readyz(State(shared): State<Shared>) -> (StatusCode, &'static str) {
    if shared.stop.is_cancelled() {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n");
    }
    if is_ready(&shared).await {
        return (StatusCode::OK, "ok\n");
    }
    (
        StatusCode::SERVICE_UNAVAILABLE,
        "the database cannot be reached, or needs `ringback migrate`\n",
    )
}

/// Anybody may ask, however often: the database is asked once for all of them.
async fn is_ready(shared: &Shared) -> bool {
    let mut known = shared.health.lock().await;
    if let Some((asked, is_ready)) = *known
        && asked.elapsed() < FRESH
    {
        return is_ready;
    }
    let checked = tokio::time::timeout(LIMIT, shared.database.check_schema()).await;
    let is_ready = matches!(checked, Ok(Ok(())));
    *known = Some((Instant::now(), is_ready));
    is_ready
}
