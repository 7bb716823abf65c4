//! Ending jobs, and giving them another chance.

use axum::extract::Extension;
use axum::http::StatusCode;

use super::super::Shared;
use super::super::identify::Who;
use super::Refused;
use super::answer::{Answer, link};
use super::query::Id;
use super::read::no_job;
use crate::queue::Deed;
use crate::queue::cancel::{self, Cancelled};
use crate::queue::retry::{self, Retried};
use crate::wire::ErrorItem;

pub(super) async fn cancel(Extension(shared): Extension<Shared>, who: Who, Id(id): Id) -> Answer {
    who.record(&shared, Deed::CancelJobs, &[id.to_string()])
        .await?;
    let cancelled = shared
        .database
        .run(async |database| cancel::cancel(database, id, &who.actor()).await);
    match cancelled.await {
        Ok(Cancelled::Ended) => Ok(link(StatusCode::OK, id)),
        Ok(Cancelled::Asked) => Ok(link(StatusCode::ACCEPTED, id)),
        Ok(Cancelled::Over(state)) => Err(in_the_path(ErrorItem::job_over(state))),
        Ok(Cancelled::NotFound) => Err(no_job()),
        Err(error) => Err(Refused::by_the_database(&error, "cancel a job")),
    }
}

pub(super) async fn retry(Extension(shared): Extension<Shared>, who: Who, Id(id): Id) -> Answer {
    let _grant = who.grant(&shared, 1)?;
    who.record(&shared, Deed::RetryJobs, &[id.to_string()])
        .await?;
    let retried = shared.database.run(async |database| {
        let gateway = Some(shared.gateway);
        retry::retry(database, id, None, &who.actor(), gateway).await
    });
    match retried.await {
        Ok(Retried::Due(job)) => Ok(link(StatusCode::OK, job)),
        Ok(Retried::Again(new) | Retried::Known(new)) => Ok(link(StatusCode::ACCEPTED, new.job)),
        Ok(Retried::Not(state)) => Err(in_the_path(ErrorItem::job_not_to_retry(state))),
        Ok(Retried::NotFound) => Err(no_job()),
        Err(error) => Err(Refused::by_the_database(&error, "retry a job")),
    }
}

/// The same error, where HTTP has the job.
fn in_the_path(error: ErrorItem) -> Refused {
    let loc: Vec<String> = error.loc.clone();
    let loc: Vec<&str> = loc.iter().map(String::as_str).collect();
    error.moved(&loc, &["path", "id"]).into()
}
