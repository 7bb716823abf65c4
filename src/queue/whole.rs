//! Jobs that are stored together or not at all.

use std::time::{Duration, Instant};

use sqlx::{Connection, PgConnection};

use super::commit::may_have_committed;
use super::enqueue::{NewJob, enqueue};
use super::{Refusal, Try};
use crate::ids::JobId;
use crate::postgres::link::limited;
use crate::postgres::{Advised, Backoff, Fault, Link};
use crate::telemetry::FIGURES;

/// What became of jobs that were to be stored together.
#[derive(Debug)]
pub enum Whole {
    /// All are stored; where a key was used before, it is the job of that submission.
    Stored(Vec<JobId>),
    /// None is: this one's key was used before, for something else.
    Conflict(usize),
    /// None is.
    Refused(Refusal),
}

/// Stores all of `jobs`, or none. While the database is away it tries for `patience`.
pub async fn commit_whole(link: &mut Link, jobs: &[NewJob], patience: Duration) -> Whole {
    let give_up = Instant::now() + patience;
    let mut backoff = Backoff::new();
    let mut this = Try::FIRST;
    loop {
        let written = write(link, jobs, this).await;
        link.settle(&written);
        let error = match written {
            Ok(whole) => return whole,
            Err(error) => error,
        };
        match Fault::of(&error) {
            Fault::Hints if this.hints => {
                FIGURES.hints_failed.inc();
                this.hints = false;
                continue;
            }
            Fault::There if !this.again => {
                this.again = true;
                continue;
            }
            Fault::Locked => return Whole::Refused(Refusal::Locked),
            Fault::Data | Fault::Partition => {
                tracing::warn!(%error, "the database refused jobs that were submitted together");
                return Whole::Refused(Refusal::Data(error));
            }
            Fault::Away | Fault::Hints | Fault::There => {
                this.again |= may_have_committed(&error);
            }
        }
        if Instant::now() >= give_up {
            return Whole::Refused(Refusal::Away { maybe: this.again });
        }
        let delay = backoff.delay();
        if backoff.tells() {
            tracing::warn!(
                error = %Advised(&error), delay_ms = delay.as_millis(),
                "the database is away, trying again"
            );
        }
        tokio::time::sleep(delay).await;
    }
}

async fn write(link: &mut Link, jobs: &[NewJob], this: Try) -> Result<Whole, sqlx::Error> {
    let connection = link.connected().await?;
    limited(store(connection, jobs, this)).await
}

async fn store(
    connection: &mut PgConnection,
    jobs: &[NewJob],
    this: Try,
) -> Result<Whole, sqlx::Error> {
    let mut transaction = connection.begin().await?;
    let repeats = enqueue(&mut transaction, jobs, this).await?;
    let position = |job: JobId| jobs.iter().position(|new| new.id == job);
    let conflict = repeats.iter().find(|repeat| !repeat.same);
    if let Some(number) = conflict.and_then(|repeat| position(repeat.submitted)) {
        transaction.rollback().await?;
        return Ok(Whole::Conflict(number));
    }
    transaction.commit().await?;
    let mut ids: Vec<JobId> = jobs.iter().map(|job| job.id).collect();
    for repeat in repeats {
        if let Some(number) = position(repeat.submitted) {
            ids[number] = repeat.job;
        }
    }
    Ok(Whole::Stored(ids))
}
