//! HTTP for programs: every [`Operation`] of the contract, each in the file of its noun.

mod access;
mod answer;
mod body;
mod callback;
mod control;
mod direct;
mod events;
mod many;
mod operator;
mod overview;
mod query;
mod read;
mod submit;
mod values;

use std::sync::Arc;

use axum::Router;
use axum::http::header;
use axum::middleware;
use axum::routing::{MethodRouter, get, post};

use super::front::Front;
use super::identify::identify;
use super::pages::with_header;
use crate::openapi::{KnownBy, Operation};

pub(super) use answer::Refused;
use direct::direct;

/// What an operation of the contract is served by.
fn handler(operation: Operation) -> MethodRouter<Arc<Front>> {
    match operation {
        Operation::SubmitJob => post(submit::one),
        Operation::SubmitJobs => post(submit::many),
        Operation::ListJobs => get(read::list),
        Operation::GetJob => get(read::job),
        Operation::ListAttempts => get(read::attempts),
        Operation::FollowJob => get(events::follow),
        Operation::CancelJob => post(control::cancel),
        Operation::RetryJob => post(control::retry),
        Operation::SendNotice => post(operator::notify),
        Operation::ListTasks => get(operator::tasks),
        Operation::ListQueues => get(operator::queues),
        Operation::PauseQueue => post(operator::pause),
        Operation::ResumeQueue => post(operator::resume),
        Operation::GetStats => get(operator::stats),
        Operation::FindJobs => get(read::ids),
        Operation::CancelJobs => post(many::cancel),
        Operation::RetryJobs => post(many::retry),
        Operation::ListChunks => get(read::chunks),
        Operation::GetOverview => get(overview::now),
        Operation::FollowOverview => get(overview::follow),
        Operation::ListSamples => get(overview::samples),
        Operation::CreateTicket => post(access::ticket),
        Operation::GetMe => get(access::me),
        Operation::CallBack => post(callback::call_back),
    }
}

pub(super) fn routes(front: &Arc<Front>) -> Router<Arc<Front>> {
    Operation::ALL
        .into_iter()
        .fold(Router::new(), |router, operation| {
            let way = (Arc::clone(front), operation);
            let handler = handler(operation).layer(middleware::from_fn_with_state(way, direct));
            let handler = match operation.known_by() {
                KnownBy::Token => {
                    let asked = (Arc::clone(front), operation.needs());
                    handler.layer(middleware::from_fn_with_state(asked, identify))
                }
                KnownBy::JobToken => handler,
            };
            router.route(operation.path(), handler)
        })
        .layer(with_header(header::CACHE_CONTROL, "no-store"))
        .layer(with_header(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
}
