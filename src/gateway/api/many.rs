//! Ending many jobs, and giving many another chance: those that are named, each or none.

use axum::extract::Extension;
use axum::http::StatusCode;

use super::super::Shared;
use super::super::identify::Who;
use super::Refused;
use super::answer::{Answer, json};
use super::body::JsonBody;
use crate::queue::Deed;
use crate::queue::cancel::{self, Cancelled};
use crate::queue::retry::{self, Retried};
use crate::wire::{CancelledJobs, RetriedJobs, parse_cancel, parse_retry};

pub(super) async fn cancel(
    Extension(shared): Extension<Shared>,
    who: Who,
    JsonBody(body): JsonBody,
) -> Answer {
    let wanted = parse_cancel(&body)?;
    let states = wanted.states.unwrap_or_default();
    let named: Vec<String> = wanted.ids.iter().map(ToString::to_string).collect();
    who.record(&shared, Deed::CancelJobs, &named).await?;
    let cancelled = shared.database.run(async |database| {
        cancel::cancel_all(database, &wanted.ids, &who.actor(), &states).await
    });
    let cancelled = cancelled.await;
    let cancelled = cancelled.map_err(|error| Refused::by_the_database(&error, "cancel jobs"))?;
    let mut became = CancelledJobs::default();
    for (_, one) in cancelled {
        match one {
            Cancelled::Ended => became.cancelled += 1,
            Cancelled::Asked => became.cancelling += 1,
            Cancelled::Over(_) | Cancelled::NotFound => {}
        }
    }
    became.unchanged = wanted.ids.len() - became.cancelled - became.cancelling;
    Ok(json(StatusCode::OK, &became))
}

pub(super) async fn retry(
    Extension(shared): Extension<Shared>,
    who: Who,
    JsonBody(body): JsonBody,
) -> Answer {
    let wanted = parse_retry(&body)?;
    let named: Vec<String> = wanted.ids.iter().map(ToString::to_string).collect();
    let _grant = who.grant(&shared, named.len())?;
    who.record(&shared, Deed::RetryJobs, &named).await?;
    let retried = shared
        .database
        .run(async |database| retry::retry_all(database, &wanted.ids, &who.actor()).await);
    let retried = retried.await;
    let retried = retried.map_err(|error| Refused::by_the_database(&error, "retry jobs"))?;
    let mut became = RetriedJobs::default();
    for (_, one) in retried {
        match one {
            Retried::Again(_) => became.submitted += 1,
            Retried::Due(_) => became.due += 1,
            Retried::Known(_) | Retried::Not(_) | Retried::NotFound => {}
        }
    }
    became.unchanged = wanted.ids.len() - became.submitted - became.due;
    Ok(json(StatusCode::OK, &became))
}
