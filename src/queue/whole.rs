//! Jobs that are stored together or not at all.

use std::time::{Duration, Instant};

use sqlx::{Connection, PgConnection};

use super::commit::may_have_committed;
use super::enqueue::{NewJob, Stored, enqueue};
use super::{Refusal, Try};
use crate::ids::JobId;
use crate::postgres::hints::{Hint, Hinting};
use crate::postgres::{Backoff, Fault, Link};
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
    let mut this = Try::first(link.hints().hinting());
    loop {
        let written = write(link, jobs, this).await;
        let error = match written {
            Ok(whole) => return whole,
            Err(error) => error,
        };
        match Fault::of(&error) {
            Fault::Hints if this.hints.is_on() => {
                FIGURES.lost_hints();
                this.hints = Hinting::Nothing;
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
        let delay = backoff.failed(&error, "the database is away");
        tokio::time::sleep(delay).await;
    }
}

async fn write(link: &mut Link, jobs: &[NewJob], this: Try) -> Result<Whole, sqlx::Error> {
    let written = link.run(async |connection| store(connection, jobs, this).await);
    let (whole, hints) = written.await?;
    link.hints().send(&hints);
    Ok(whole)
}

/// Answers the hints to send as well.
async fn store(
    connection: &mut PgConnection,
    jobs: &[NewJob],
    this: Try,
) -> Result<(Whole, Vec<Hint>), sqlx::Error> {
    let mut transaction = connection.begin().await?;
    let Stored { repeats, hints } = enqueue(&mut transaction, jobs, this).await?;
    let position = |job: JobId| jobs.iter().position(|new| new.id == job);
    let conflict = repeats.iter().find(|repeat| !repeat.same);
    if let Some(number) = conflict.and_then(|repeat| position(repeat.submitted)) {
        transaction.rollback().await?;
        return Ok((Whole::Conflict(number), Vec::new()));
    }
    transaction.commit().await?;
    let mut ids: Vec<JobId> = jobs.iter().map(|job| job.id).collect();
    for repeat in repeats {
        if let Some(number) = position(repeat.submitted) {
            ids[number] = repeat.job;
        }
    }
    Ok((Whole::Stored(ids), hints))
}
