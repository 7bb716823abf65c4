//! Jobs that wait to be called back: whoever works on them has nothing of ours but a token, and says with that how it
//! went.

use std::time::Duration;

use serde_json::Value;
use sqlx::{Connection, PgConnection, PgExecutor};
use uuid::Uuid;

use super::finish::{Ended, Ending, PutBack, Why, finish, put_back};
use super::report::{Report, Said, report};
use super::{Try, partitions};
use crate::auth::Secret;
use crate::ids::{ClaimId, JobId};
use crate::postgres::hints::{Hint, Hinting, Hints};
use crate::postgres::{Fault, Link};
use crate::task::RetryDelay;
use crate::telemetry::FIGURES;

/// How many one statement gives up, at most.
const BATCH: i64 = 1_000;

/// A job that is to wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waits {
    /// The job.
    pub id: JobId,
    /// The claim it was called under.
    pub claim_id: ClaimId,
    /// For so long at most.
    pub limit: Duration,
}

/// What is said about a job by whoever works on it.
#[derive(Clone, Debug, PartialEq)]
pub enum CallBack {
    /// It is done, with this result.
    Done(Value),
    /// It has failed.
    Failed {
        /// A stable code.
        code: String,
        /// A sentence.
        error: String,
        /// Whether it is to be tried again.
        again: Retry,
    },
    /// So far it is.
    Progress(Value),
}

/// Whether an attempt is followed by another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// With growing delays.
    Backoff,
    /// After this time.
    After(Duration),
    /// Not at all.
    Never,
}

/// Stores what whoever is called has to know to say how a job went, and how long the next attempt waits if that is badly;
/// answers whether the job still carries its claim.
///
/// # Errors
/// Those of the database.
pub async fn expect(
    executor: impl PgExecutor<'_>,
    job: JobId,
    claim: ClaimId,
    token: &Secret,
    delay: RetryDelay,
) -> Result<bool, sqlx::Error> {
    let stored = sqlx::query!(
        r#"
        update ringback.job
        set callback_hash = $3, callback_claim = $2, retry_first = make_interval(secs => $4),
            retry_longest = make_interval(secs => $5)
        where id = $1 and claim_id = $2
        "#,
        job.0,
        claim.0,
        &token.hash(),
        delay.first.as_secs_f64(),
        delay.longest.as_secs_f64()
    )
    .execute(executor)
    .await?;
    Ok(stored.rows_affected() == 1)
}

/// Lets jobs wait, all or none of those that still carry their claim.
///
/// # Errors
/// Those of the database; [`super::commit()`] knows what to do about them.
pub async fn wait(
    connection: &mut PgConnection,
    jobs: &[Waits],
    this: Try,
) -> Result<(), sqlx::Error> {
    let ids: Vec<Uuid> = jobs.iter().map(|job| job.id.0).collect();
    let claims: Vec<Uuid> = jobs.iter().map(|job| job.claim_id.0).collect();
    let limits: Vec<f64> = jobs.iter().map(|job| job.limit.as_secs_f64()).collect();
    let waits = sqlx::query_file!(
        "src/queue/wait.sql",
        &ids,
        &claims,
        &limits,
        this.hints.is_on()
    )
    .fetch_one(connection)
    .await?;
    let early = jobs.len()
        - usize::try_from(waits.waits)
            .unwrap_or_default()
            .min(jobs.len());
    if early > 0 && !this.again {
        tracing::info!(
            jobs = early,
            "jobs were called back before they waited, or given to other workers"
        );
    }
    Ok(())
}

/// Takes what is said about a job, from whoever knows the token; answers whether that is one that is good for it now. An
/// end is taken once.
///
/// It may come before the job waits: then it still counts as running, and its worker hears that it is over.
///
/// # Errors
/// Those of the database.
pub async fn call_back(
    connection: &mut PgConnection,
    hints: &dyn Hints,
    job: JobId,
    token: &Secret,
    said: &CallBack,
) -> Result<bool, sqlx::Error> {
    let mut this = Try::first(hints.hinting());
    let taken = loop {
        match take(connection, job, token, said, this).await {
            Err(error) if this.hints.is_on() && Fault::is_lost_hint(&error) => {
                this.hints = Hinting::Nothing;
            }
            Err(error) if Fault::of(&error) == Fault::Partition => {
                partitions::make_for(connection, &[job]).await?;
                break take(connection, job, token, said, this).await;
            }
            taken => break taken,
        }
    };
    let taken = taken?;
    hints.send(taken.as_deref().unwrap_or_default());
    Ok(taken.is_some())
}

/// Answers the hints to send, where the token is good.
async fn take(
    connection: &mut PgConnection,
    job: JobId,
    token: &Secret,
    said: &CallBack,
    this: Try,
) -> Result<Option<Vec<Hint>>, sqlx::Error> {
    let mut transaction = connection.begin().await?;
    let found = sqlx::query!(
        r#"
        select claim_id as "claim_id!: ClaimId", task, failures, max_attempts,
            extract(epoch from retry_first)::double precision as retry_first,
            extract(epoch from retry_longest)::double precision as retry_longest
        from ringback.job
        where id = $1 and callback_hash = $2 and callback_claim = claim_id and state in ('running', 'waiting')
        for update
        "#,
        job.0,
        &token.hash()
    )
    .fetch_optional(&mut *transaction)
    .await?;
    let Some(found) = found else {
        return Ok(None);
    };
    let (id, claim_id) = (job, found.claim_id);
    let failures = found.failures.saturating_add(1);
    let seconds = |seconds: Option<f64>| Duration::try_from_secs_f64(seconds?).ok();
    let usual = RetryDelay::default();
    let retry_delay = RetryDelay {
        first: seconds(found.retry_first).unwrap_or(usual.first),
        longest: seconds(found.retry_longest).unwrap_or(usual.longest),
    };
    let is_last = failures >= found.max_attempts;
    let end = |ending| Ended {
        id,
        claim_id,
        ending,
    };
    // For the figures.
    let mut became = None;
    let hints = match said {
        CallBack::Done(result) => {
            let ended = end(Ending::succeeded(result.clone()));
            became = Some("succeeded");
            finish(&mut transaction, &[ended], this).await?
        }
        CallBack::Failed { code, error, again } => {
            let (code, error) = (code.clone(), error.clone());
            let delay = match again {
                Retry::Backoff => Some(retry_delay.after(failures)),
                Retry::After(delay) => Some(*delay),
                Retry::Never => None,
            };
            match delay.filter(|_| !is_last) {
                Some(delay) => {
                    let why = Why::Failed { code, error, delay };
                    let back = PutBack { id, claim_id, why };
                    put_back(&mut transaction, &[back], this).await?;
                    Vec::new()
                }
                None => {
                    let ended = end(Ending::Failed { code, error });
                    became = Some("failed");
                    finish(&mut transaction, &[ended], this).await?
                }
            }
        }
        CallBack::Progress(progress) => {
            let said = Said::Progress(progress.clone());
            let told = Report { id, claim_id, said };
            report(&mut transaction, &[told], this).await?
        }
    };
    transaction.commit().await?;
    if let Some(outcome) = became {
        FIGURES.ended(&found.task, outcome);
    }
    Ok(Some(hints))
}

/// Fails the attempts of those that have waited in vain.
///
/// # Errors
/// Those of the database.
pub async fn give_up(link: &mut Link) -> Result<(), sqlx::Error> {
    let (mut hints, mut has_made) = (true, false);
    loop {
        let moved = link.run(async |connection| {
            sqlx::query_file!("src/queue/overdue.sql", BATCH, hints)
                .fetch_one(connection)
                .await
        });
        match moved.await {
            Ok(moved) if moved.moved < BATCH => return Ok(()),
            Ok(_) => {}
            Err(error) if hints && Fault::is_lost_hint(&error) => hints = false,
            // What is given up leaves a trace in the partition of its day.
            Err(error) if !has_made && Fault::of(&error) == Fault::Partition => {
                let made = link.run(async |it| partitions::make_for_running(it).await);
                made.await?;
                has_made = true;
            }
            Err(error) => return Err(error),
        }
    }
}
