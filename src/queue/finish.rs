//! Jobs that end, and jobs that are put back.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::Value;
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use super::follow_up::follow_up;
use super::{Try, sparse};
use crate::ids::{ClaimId, JobId};
use crate::postgres::hints::Hint;
use crate::task::FollowUp;
use crate::telemetry::FIGURES;

/// A job that is over.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    /// The job.
    pub id: JobId,
    /// The claim it was run under; if the job no longer carries it, nothing is recorded.
    pub claim_id: ClaimId,
    /// How it ended.
    pub ending: Ending,
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Ending {
    /// With a result.
    Succeeded {
        /// It.
        result: Value,
        /// The jobs that it has asked for, which are stored with it.
        then: Vec<FollowUp>,
    },
    /// With an error.
    Failed {
        /// A stable code.
        code: String,
        /// A sentence.
        error: String,
    },
}

/// A job that goes back to its queue.
#[derive(Clone, Debug, PartialEq)]
pub struct PutBack {
    /// The job.
    pub id: JobId,
    /// The claim it was held under.
    pub claim_id: ClaimId,
    /// Why.
    pub why: Why,
}

/// Why a job goes back to its queue.
#[derive(Clone, Debug, PartialEq)]
pub enum Why {
    /// Its worker was stopping before it had begun: as if it had never been claimed.
    NotStarted,
    /// Nothing could be begun, and will not before this time is over: the same, later.
    Postponed(Duration),
    /// Its worker was stopping and could not wait for it: held against nothing.
    Interrupted,
    /// It failed and is tried again.
    Failed {
        /// A stable code.
        code: String,
        /// A sentence.
        error: String,
        /// After this time.
        delay: Duration,
    },
}

/// Ends jobs, all or none of those that still carry their claim; answers the hints to send when that is committed.
///
/// # Errors
/// Those of the database; [`super::commit()`] knows what to do about them.
pub async fn finish(
    connection: &mut PgConnection,
    jobs: &[Ended],
    this: Try,
) -> Result<Vec<Hint>, sqlx::Error> {
    if jobs.iter().all(|job| job.ending.then().is_empty()) {
        let (_, hints) = record(connection, jobs, this, Recorded::Counted).await?;
        return Ok(hints);
    }
    let mut transaction = connection.begin().await?;
    let (owners, mut hints) = record(&mut transaction, jobs, this, Recorded::Listed).await?;
    let followed = jobs
        .iter()
        .filter_map(|job| Some((owners.get(&job.claim_id)?.as_str(), job.ending.then())));
    hints.extend(follow_up(&mut transaction, followed, this.hints).await?);
    transaction.commit().await?;
    Ok(hints)
}

/// What is to be known of the jobs that were recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Recorded {
    /// How many.
    Counted,
    /// Under which claims, and whose.
    Listed,
}

/// Ends jobs; answers whose they are, if that is wanted, and their hints.
async fn record(
    connection: &mut PgConnection,
    jobs: &[Ended],
    this: Try,
    wanted: Recorded,
) -> Result<(HashMap<ClaimId, String>, Vec<Hint>), sqlx::Error> {
    let ids: Vec<Uuid> = jobs.iter().map(|job| job.id.0).collect();
    let claims: Vec<Uuid> = jobs.iter().map(|job| job.claim_id.0).collect();
    let states: Vec<&str> = jobs.iter().map(|job| job.ending.state()).collect();
    let results = sparse(jobs.iter().map(|job| job.ending.result()));
    let endings = jobs.iter().map(|job| job.ending.error());
    let codes = sparse(endings.clone().map(|error| error.map(|(code, _)| code)));
    let errors = sparse(endings.map(|error| error.map(|(_, error)| error)));
    let written = sqlx::query_file!(
        "src/queue/finish.sql",
        &ids,
        &claims,
        &states as _,
        &results as _,
        &codes as _,
        &errors as _,
        this.hints.notifies(),
        this.again,
        wanted == Recorded::Listed,
        this.hints.answers()
    )
    .fetch_one(connection)
    .await?;
    FIGURES.hints(written.hinted);
    let fenced = jobs.len()
        - usize::try_from(written.recorded)
            .unwrap_or_default()
            .min(jobs.len());
    if fenced > 0 && !this.again {
        tracing::warn!(
            jobs = fenced,
            "outcomes came too late: their jobs were over, or had been given to other workers"
        );
    }
    let claims = written.claims.into_iter().map(ClaimId);
    let hints = Hint::of_columns(written.channels, written.payloads);
    Ok((claims.zip(written.owners).collect(), hints))
}

/// Puts jobs back, all or none of those that still carry their claim.
///
/// # Errors
/// Those of the database; [`super::commit()`] knows what to do about them.
pub async fn put_back(
    connection: &mut PgConnection,
    jobs: &[PutBack],
    this: Try,
) -> Result<(), sqlx::Error> {
    let ids: Vec<Uuid> = jobs.iter().map(|job| job.id.0).collect();
    let claims: Vec<Uuid> = jobs.iter().map(|job| job.claim_id.0).collect();
    let outcomes: Vec<Option<&str>> = jobs.iter().map(|job| job.why.outcome()).collect();
    let codes: Vec<Option<&str>> = jobs
        .iter()
        .map(|job| job.why.error().map(|(code, _)| code))
        .collect();
    let errors: Vec<Option<&str>> = jobs
        .iter()
        .map(|job| job.why.error().map(|(_, error)| error))
        .collect();
    let delays: Vec<f64> = jobs
        .iter()
        .map(|job| job.why.delay().as_secs_f64())
        .collect();
    sqlx::query_file!(
        "src/queue/put_back.sql",
        &ids,
        &claims,
        &outcomes as _,
        &codes as _,
        &errors as _,
        &delays,
        this.hints.is_on()
    )
    .fetch_one(connection)
    .await
    .map(|_| ())
}

impl Ending {
    /// With this result, and nothing follows.
    #[must_use]
    pub fn succeeded(result: Value) -> Self {
        Self::Succeeded {
            result,
            then: Vec::new(),
        }
    }

    fn state(&self) -> &'static str {
        match self {
            Self::Succeeded { .. } => "succeeded",
            Self::Failed { .. } => "failed",
        }
    }

    fn result(&self) -> Option<String> {
        match self {
            Self::Succeeded { result, .. } => Some(result.to_string()),
            Self::Failed { .. } => None,
        }
    }

    /// The jobs that are stored with it.
    #[must_use]
    pub fn then(&self) -> &[FollowUp] {
        match self {
            Self::Succeeded { then, .. } => then,
            Self::Failed { .. } => &[],
        }
    }

    fn error(&self) -> Option<(&str, &str)> {
        match self {
            Self::Succeeded { .. } => None,
            Self::Failed { code, error } => Some((code, error)),
        }
    }
}

impl Why {
    fn outcome(&self) -> Option<&'static str> {
        match self {
            Self::NotStarted | Self::Postponed(_) => None,
            Self::Interrupted => Some("returned"),
            Self::Failed { .. } => Some("failed"),
        }
    }

    fn error(&self) -> Option<(&str, &str)> {
        match self {
            Self::NotStarted | Self::Postponed(_) | Self::Interrupted => None,
            Self::Failed { code, error, .. } => Some((code, error)),
        }
    }

    fn delay(&self) -> Duration {
        match self {
            Self::NotStarted | Self::Interrupted => Duration::ZERO,
            Self::Postponed(delay) | Self::Failed { delay, .. } => *delay,
        }
    }
}
