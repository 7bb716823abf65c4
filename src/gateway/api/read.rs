//! Looking at jobs, now or when they are over.

use std::time::Duration;

use axum::extract::Extension;
use axum::http::StatusCode;
use tokio::time::Instant;

use super::super::Shared;
use super::super::identify::Who;
use super::Refused;
use super::answer::{Answer, json};
use super::query::{Id, Query};
use crate::ids::JobId;
use crate::postgres::Backoff;
use crate::queue::{jobs, report};
use crate::shutdown;
use crate::wire::{AttemptList, ChunkList, ErrorItem, ErrorType, IdPage, Job, JobPage};

/// How long whoever wants to follow a job waits for a database that is away.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) async fn list(Extension(shared): Extension<Shared>, who: Who, query: Query) -> Answer {
    let (filter, before, limit) = query.page()?;
    let filter = who.only_theirs(filter);
    let page = shared
        .database
        .browse(async |database| jobs::page(database, &filter, before, limit).await);
    let page = page
        .await
        .map_err(|error| Refused::by_the_database(&error, "list jobs"))?;
    let page = JobPage {
        jobs: page.jobs,
        next: page.next.map(|job| job.to_string()),
    };
    Ok(json(StatusCode::OK, &page))
}

pub(super) async fn ids(Extension(shared): Extension<Shared>, who: Who, query: Query) -> Answer {
    let (filter, before) = query.jobs()?;
    let filter = who.only_theirs(filter);
    let found = shared
        .database
        .browse(async |database| jobs::some_ids(database, &filter, before).await);
    let found = found.await;
    let found = found.map_err(|error| Refused::by_the_database(&error, "find jobs"))?;
    let page = IdPage {
        ids: found.ids,
        next: found.next.map(|job| job.to_string()),
    };
    Ok(json(StatusCode::OK, &page))
}

pub(super) async fn job(
    Extension(shared): Extension<Shared>,
    who: Who,
    Id(id): Id,
    query: Query,
) -> Answer {
    let wait = query.wait()?;
    let job = when_over(&shared, &who, id, wait).await?;
    Ok(json(StatusCode::OK, &job))
}

pub(super) async fn attempts(Extension(shared): Extension<Shared>, who: Who, Id(id): Id) -> Answer {
    find(&shared, &who, id).await?;
    let attempts = shared
        .database
        .run(async |connection| jobs::attempts(connection, id).await)
        .await;
    let attempts =
        attempts.map_err(|error| Refused::by_the_database(&error, "list the attempts of a job"))?;
    Ok(json(StatusCode::OK, &AttemptList { attempts }))
}

pub(super) async fn chunks(
    Extension(shared): Extension<Shared>,
    who: Who,
    Id(id): Id,
    query: Query,
) -> Answer {
    let after = query.position()?;
    find(&shared, &who, id).await?;
    let text = shared
        .database
        .run(async |connection| report::text_of(connection, id, after).await)
        .await;
    let (chunks, is_cut) =
        text.map_err(|error| Refused::by_the_database(&error, "read what a job has said"))?;
    let last = chunks.last().filter(|_| is_cut);
    let next = last.map(|chunk| format!("{}-{}", chunk.attempt, chunk.seq));
    Ok(json(StatusCode::OK, &ChunkList { chunks, next }))
}

/// The job when it is over, or after `wait` as it is then.
pub(super) async fn when_over(
    shared: &Shared,
    who: &Who,
    id: JobId,
    wait: Duration,
) -> Result<Job, Refused> {
    let give_up = Instant::now() + wait;
    let _place = if wait.is_zero() {
        None
    } else {
        who.stay(shared)?
    };
    // Before the first look, so that nothing happens between the two.
    let watch = (!wait.is_zero()).then(|| shared.watched.watch(id));
    let mut watch = match watch {
        None => None,
        Some(Some(watch)) => Some(watch),
        Some(None) => return Err(ErrorItem::busy().into()),
    };
    let mut job = find(shared, who, id).await?;
    let mut backoff = Backoff::new();
    while let Some(watch) = watch.as_mut().filter(|_| !job.state.is_over()) {
        tokio::select! {
            () = watch.news() => {}
            () = tokio::time::sleep_until(give_up) => return Ok(job),
            () = who.over() => return Ok(job),
            () = shared.stop.cancelled() => return Ok(job),
        }
        // A database that is away for a while ends no wait.
        loop {
            match tokio::time::timeout_at(give_up, find(shared, who, id)).await {
                Ok(Ok(found)) => {
                    job = found;
                    break;
                }
                Ok(Err(refused)) if !refused.may_pass() => return Err(refused),
                Ok(Err(_)) => {
                    let next = Instant::now() + backoff.delay();
                    tokio::time::sleep_until(next.min(give_up)).await;
                }
                Err(_) => return Ok(job),
            }
            if Instant::now() >= give_up || shared.stop.is_cancelled() {
                return Ok(job);
            }
        }
    }
    Ok(job)
}

/// The same as [`find`], after a database that is away for a while.
pub(super) async fn find_in_time(shared: &Shared, who: &Who, id: JobId) -> Result<Job, Refused> {
    let give_up = Instant::now() + PATIENCE;
    let mut backoff = Backoff::new();
    loop {
        match find(shared, who, id).await {
            Err(refused) if refused.may_pass() && Instant::now() < give_up => {
                if !shutdown::sleep(backoff.delay(), &shared.stop).await {
                    return Err(refused);
                }
            }
            found => return found,
        }
    }
}

/// The job, which has to be there, and theirs: that of somebody else is not.
pub(super) async fn find(shared: &Shared, who: &Who, id: JobId) -> Result<Job, Refused> {
    let found = shared
        .database
        .run(async |connection| jobs::find(connection, id).await)
        .await;
    match found {
        Ok(Some(job)) if who.may_see(&job) => Ok(job),
        Ok(_) => Err(no_job()),
        Err(error) => Err(Refused::by_the_database(&error, "look at a job")),
    }
}

pub(super) fn no_job() -> Refused {
    let msg = "There is no such job";
    ErrorItem::new(ErrorType::NotFound, &["path", "id"], msg).into()
}
