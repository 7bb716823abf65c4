//! Whether this gateway lives, and whether it can do its work.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;

use super::Shared;

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
    match tokio::time::timeout(LIMIT, shared.database.check_schema()).await {
        Ok(Ok(())) => (StatusCode::OK, "ok\n"),
        Ok(Err(_)) | Err(_) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "the database cannot be reached, or needs `ringback migrate`\n",
        ),
    }
}
