//! Submitting jobs: through the same intake as those of the sockets.

use std::sync::Arc;

use axum::extract::Extension;
use axum::http::{HeaderMap, StatusCode};

use super::super::Shared;
use super::super::identify::Who;
use super::super::intake::{Asked, Job, request};
use super::Refused;
use super::answer::{Answer, json, link, located};
use super::body::JsonBody;
use super::query::{Query, idempotency_key, traceparent};
use super::read::when_over;
use crate::wire::{ErrorItem, ErrorType, JobsQueuedPayload, Problem, parse_jobs, parse_task};

pub(super) async fn one(
    Extension(shared): Extension<Shared>,
    who: Who,
    headers: HeaderMap,
    query: Query,
    JsonBody(body): JsonBody,
) -> Answer {
    let wait = query.wait()?;
    let key = idempotency_key(&headers)?;
    let mut payload = parse_task(&body)?;
    if let Some(key) = key {
        if payload
            .idempotency_key
            .as_ref()
            .is_some_and(|other| *other != key)
        {
            let msg = "Value error, give either the header or idempotency_key";
            return Err(
                ErrorItem::new(ErrorType::ValueError, &["header", "Idempotency-Key"], msg).into(),
            );
        }
        payload.idempotency_key = Some(key);
    }
    let traceparent = traceparent(&headers);
    payload.traceparent = payload.traceparent.or(traceparent);
    let job =
        Job::of(payload, &shared.tasks, shared.settings.limits.content).map_err(in_the_body)?;
    let grant = who.grant(&shared, 1)?;
    let stored = request(
        &shared.submissions,
        Arc::clone(&who.0),
        grant,
        Asked::One(job),
    )
    .await
    .map_err(|error| in_the_body(vec![error]))?;
    let Some(id) = stored.first().copied() else {
        return Err(ErrorItem::unavailable(true).into());
    };
    if wait.is_zero() {
        return Ok(link(StatusCode::ACCEPTED, id));
    }
    match when_over(&shared, &who, id, wait).await {
        Ok(job) if job.state.is_over() => Ok(located(json(StatusCode::OK, &job), id)),
        // It is committed, whatever keeps us from looking at it.
        Ok(_) | Err(_) => Ok(link(StatusCode::ACCEPTED, id)),
    }
}

pub(super) async fn many(
    Extension(shared): Extension<Shared>,
    who: Who,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Answer {
    if idempotency_key(&headers)?.is_some() {
        let msg = "Value error, give each job its own idempotency_key";
        return Err(
            ErrorItem::new(ErrorType::ValueError, &["header", "Idempotency-Key"], msg).into(),
        );
    }
    let traceparent = traceparent(&headers);
    let mut jobs = parse_jobs(&body)?.jobs;
    for job in &mut jobs {
        job.traceparent = job.traceparent.take().or_else(|| traceparent.clone());
    }
    let jobs =
        Job::all(jobs, &shared.tasks, shared.settings.limits.content).map_err(in_the_body)?;
    let grant = who.grant(&shared, jobs.len())?;
    let job_ids = request(
        &shared.submissions,
        Arc::clone(&who.0),
        grant,
        Asked::Many(jobs),
    )
    .await
    .map_err(|error| in_the_body(vec![error]))?;
    Ok(json(StatusCode::ACCEPTED, &JobsQueuedPayload { job_ids }))
}

/// The same errors, where HTTP has them: in the body, and with the statuses that an idempotency key asks for.
fn in_the_body(errors: Vec<ErrorItem>) -> Refused {
    let moved = |error: ErrorItem| {
        error
            .moved(&["system_message", "payload"], &["body"])
            .moved(&["submit_jobs", "payload"], &["body"])
    };
    let errors: Vec<ErrorItem> = errors.into_iter().map(moved).collect();
    let is_about_the_key = |error: &&ErrorItem| {
        let field = error.loc.last();
        field.is_some_and(|field| field == "idempotency_key")
    };
    match errors
        .first()
        .filter(is_about_the_key)
        .map(|error| error.kind)
    {
        Some(ErrorType::Conflict) => Problem::new(422, errors).into(),
        Some(ErrorType::Busy) => Problem::new(409, errors).into(),
        _ => errors.into(),
    }
}
