//! Ending jobs, and giving them another chance.

use axum::extract::State;
use axum::http::StatusCode;

use super::super::Shared;
use super::Refused;
use super::answer::{Answer, link};
use super::query::Id;
use super::read::no_job;
use crate::postgres::link::limited;
use crate::queue::Actor;
use crate::queue::cancel::{self, Cancelled};
use crate::queue::retry::{self, Retried};
use crate::wire::{ErrorItem, ErrorType, JobState};

pub(super) async fn cancel(State(shared): State<Shared>, Id(id): Id) -> Answer {
    let cancelled = limited(async {
        let mut database = shared.database.pool().acquire().await?;
        cancel::cancel(&mut database, id, &Actor::Operator).await
    });
    match cancelled.await {
        Ok(Cancelled::Ended) => Ok(link(StatusCode::OK, id)),
        Ok(Cancelled::Asked) => Ok(link(StatusCode::ACCEPTED, id)),
        Ok(Cancelled::Over(state)) => {
            let msg = format!("The job is over ({}); it cannot be cancelled", state.name());
            Err(ErrorItem::new(ErrorType::Conflict, &["path", "id"], msg).into())
        }
        Ok(Cancelled::NotFound) => Err(no_job()),
        Err(error) => Err(Refused::by_the_database(&error, "cancel a job")),
    }
}

pub(super) async fn retry(State(shared): State<Shared>, Id(id): Id) -> Answer {
    let retried = limited(async {
        let mut database = shared.database.pool().acquire().await?;
        let gateway = Some(shared.gateway);
        retry::retry(&mut database, id, None, &Actor::Operator, gateway).await
    });
    match retried.await {
        Ok(Retried::Due(job)) => Ok(link(StatusCode::OK, job)),
        Ok(Retried::Again(job) | Retried::Known(job)) => Ok(link(StatusCode::ACCEPTED, job)),
        Ok(Retried::Not(state)) => {
            let msg = not_to_retry(state);
            Err(ErrorItem::new(ErrorType::Conflict, &["path", "id"], msg).into())
        }
        Ok(Retried::NotFound) => Err(no_job()),
        Err(error) => Err(Refused::by_the_database(&error, "retry a job")),
    }
}

fn not_to_retry(state: JobState) -> String {
    let state = state.name();
    format!(
        "The job is not one to retry ({state}); those that wait, have failed or were cancelled are"
    )
}
