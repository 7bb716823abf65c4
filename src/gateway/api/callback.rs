//! What functions say that have answered that they will call back.

use std::time::Duration;

use axum::extract::{Extension, FromRequestParts};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::IntoResponse;
use serde_json::json;

use super::super::Shared;
use super::super::identify::bearer;
use super::Refused;
use super::answer::Answer;
use super::body::JsonBody;
use super::query::Id;
use super::read::no_job;
use crate::auth::Secret;
use crate::postgres::Fault;
use crate::queue::callback::{self, CallBack, Retry};
use crate::task::{readable, shortened};
use crate::wire::{CallBackBody, ErrorItem, parse_call_back};

/// The code of a failure that has none of its own.
const FAILED: &str = "task_failed";

pub(super) async fn call_back(
    Extension(shared): Extension<Shared>,
    JobToken(token): JobToken,
    Id(job): Id,
    JsonBody(body): JsonBody,
) -> Answer {
    if !token.is_well_formed() {
        return Err(no_job());
    }
    let said = said(parse_call_back(&body)?);
    let hints = shared.database.hints();
    let taken = shared
        .database
        .run(async |database| callback::call_back(database, hints, job, &token, &said).await);
    match Box::pin(taken).await {
        Ok(true) => Ok(StatusCode::NO_CONTENT.into_response()),
        Ok(false) => Err(no_job()),
        Err(error) if Fault::of(&error) == Fault::Data => {
            tracing::warn!(job.id = %job, %error, "what was said about a job could not be stored");
            let error = ErrorItem::unstorable();
            Err(error
                .moved(&["system_message", "payload"], &["body"])
                .into())
        }
        Err(error) => Err(Refused::by_the_database(&error, "store how a job went")),
    }
}

/// The token that a request has; before its body is read.
pub(super) struct JobToken(pub(super) Secret);

impl<S: Send + Sync> FromRequestParts<S> for JobToken {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        match bearer(&parts.headers) {
            Some(token) => Ok(Self(Secret::given(token.to_owned()))),
            None => {
                let reason = "Give the token that came with the job: Authorization: Bearer …";
                Err(ErrorItem::unauthorized(reason).into())
            }
        }
    }
}

fn said(body: CallBackBody) -> CallBack {
    match body {
        CallBackBody::Done { result } => CallBack::Done(result),
        CallBackBody::Failed {
            error,
            retry,
            after,
            code,
        } => CallBack::Failed {
            code: code.unwrap_or_else(|| FAILED.to_owned()),
            error: shortened(&readable(&error)),
            again: match (retry, after) {
                (Some(false), _) => Retry::Never,
                (_, Some(after)) => Retry::After(Duration::from_secs_f64(after)),
                (_, None) => Retry::Backoff,
            },
        },
        CallBackBody::Progress { percent, note } => {
            let mut progress = json!({});
            if let Some(percent) = percent {
                progress["percent"] = percent.into();
            }
            if let Some(note) = note {
                progress["note"] = readable(&note).into();
            }
            CallBack::Progress(progress)
        }
    }
}
