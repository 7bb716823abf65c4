//! What running jobs say: pieces of text, and their progress.

use serde_json::Value;
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use super::Try;
use super::jobs::time;
use crate::ids::{ClaimId, JobId};
use crate::postgres::hints::Hint;
use crate::telemetry::FIGURES;
use crate::wire;

/// Something that a running job says.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The job.
    pub id: JobId,
    /// The claim it runs under; when that is over, nobody hears of it.
    pub claim_id: ClaimId,
    /// What it says.
    pub said: Said,
}

/// What a running job says.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    /// The next piece of its text.
    Chunk {
        /// Its number in this attempt, from 1.
        seq: i32,
        /// The text.
        text: String,
    },
    /// How far it is; the latest counts.
    Progress(Value),
}

/// Where somebody is in the text of a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The attempt; a higher one starts the text again.
    pub attempt: i32,
    /// The last piece of it.
    pub seq: i32,
}

/// A piece of the text of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// The job.
    pub id: JobId,
    /// Which piece it is.
    pub at: Position,
    /// The text.
    pub text: String,
}

/// How far a job is.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// The job.
    pub id: JobId,
    /// The attempt that says so.
    pub attempt: i32,
    /// What it says, as JSON.
    pub progress: String,
}

/// Some of the pieces that were asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chunks {
    /// By their jobs, in their order.
    pub chunks: Vec<Chunk>,
    /// The jobs of which there may be more.
    pub more: Vec<JobId>,
}

/// The most pieces of one job that one reading takes.
const PAGE: usize = 100;

/// The most pieces that a reading of one job alone takes.
const TEXT_PAGE: usize = 500;

/// So many bytes of text end a reading.
const PAGE_BYTES: usize = 2 * 1024 * 1024;

/// Stores reports, all or none of those whose claim is not over; answers the hints to send when that is committed.
///
/// # Errors
/// Those of the database; [`super::commit()`] knows what to do about them.
pub async fn report(
    connection: &mut PgConnection,
    reports: &[Report],
    this: Try,
) -> Result<Vec<Hint>, sqlx::Error> {
    let ids: Vec<Uuid> = reports.iter().map(|report| report.id.0).collect();
    let claims: Vec<Uuid> = reports.iter().map(|report| report.claim_id.0).collect();
    let numbers: Vec<Option<i32>> = reports.iter().map(|report| report.said.seq()).collect();
    let texts: Vec<Option<&str>> = reports.iter().map(|report| report.said.text()).collect();
    let progress: Vec<Option<String>> = reports
        .iter()
        .map(|report| report.said.progress())
        .collect();
    let stored = sqlx::query_file!(
        "src/queue/report.sql",
        &ids,
        &claims,
        &numbers as _,
        &texts as _,
        &progress as _,
        this.hints.notifies(),
        this.hints.answers()
    )
    .fetch_one(connection)
    .await?;
    FIGURES.hints(stored.hinted);
    Ok(Hint::of_columns(stored.channels, stored.payloads))
}

/// The next pieces of the last attempt of each of these jobs, in their order, as many as one reading takes.
///
/// # Errors
/// Those of the database.
pub async fn chunks_after(
    connection: &mut PgConnection,
    wanted: &[(JobId, Position)],
) -> Result<Chunks, sqlx::Error> {
    let ids: Vec<Uuid> = wanted.iter().map(|(job, _)| job.0).collect();
    let attempts: Vec<i32> = wanted.iter().map(|(_, at)| at.attempt).collect();
    let numbers: Vec<i32> = wanted.iter().map(|(_, at)| at.seq).collect();
    let rows = sqlx::query!(
        r#"
        select id as "id!: JobId", attempt as "attempt!", seq as "seq!", text as "text!"
        from (
            select
                wanted.id, event.attempt, event.seq, event.text,
                sum(octet_length(event.text)) over (order by wanted.id, event.seq) - octet_length(event.text) as before
            from unnest($1::uuid[], $2::integer[], $3::integer[]) as wanted (id, attempt, seq)
            cross join lateral (
                select last.attempt from ringback.job_event as last
                where last.job_id = wanted.id
                order by last.attempt desc
                limit 1
            ) as last
            cross join lateral (
                select piece.attempt, piece.seq, piece.text
                from ringback.job_event as piece
                where piece.job_id = wanted.id and piece.attempt = last.attempt
                    and (piece.attempt, piece.seq) > (wanted.attempt, wanted.seq)
                order by piece.seq
                limit $4
            ) as event
        ) as page
        where before < $5::bigint
        order by id, seq
        "#,
        &ids,
        &attempts,
        &numbers,
        i64::try_from(PAGE).unwrap_or(i64::MAX),
        i64::try_from(PAGE_BYTES).unwrap_or(i64::MAX)
    )
    .fetch_all(connection)
    .await?;
    let chunks: Vec<Chunk> = rows
        .into_iter()
        .map(|row| Chunk {
            id: row.id,
            at: Position {
                attempt: row.attempt,
                seq: row.seq,
            },
            text: row.text,
        })
        .collect();
    let bytes: usize = chunks.iter().map(|chunk| chunk.text.len()).sum();
    // Where the bytes have ended the reading, the last job and those after it may have more.
    let cut = chunks.last().filter(|_| bytes >= PAGE_BYTES);
    let whole = chunks.chunk_by(|one, other| one.id == other.id);
    let whole: Vec<JobId> = whole
        .filter(|of_one| of_one.len() == PAGE)
        .map(|of_one| of_one[0].id)
        .collect();
    let has_more = |job: &JobId| whole.contains(job) || cut.is_some_and(|last| *job >= last.id);
    let more = wanted.iter().map(|(job, _)| *job).filter(has_more);
    Ok(Chunks {
        more: more.collect(),
        chunks,
    })
}

/// What a job has said after `at`, in all of its attempts, as much as one reading takes; and whether there may be more.
///
/// # Errors
/// Those of the database.
pub async fn text_of(
    executor: impl PgExecutor<'_>,
    job: JobId,
    at: Position,
) -> Result<(Vec<wire::Chunk>, bool), sqlx::Error> {
    let limit = i64::try_from(TEXT_PAGE).unwrap_or(i64::MAX);
    let rows = sqlx::query!(
        r#"
        select
            attempt as "attempt!", seq as "seq!", text as "text!", before as "before!",
            (extract(epoch from recorded_at) * 1000000)::bigint as "recorded_at!"
        from (
            select
                event.*,
                sum(octet_length(text)) over (order by attempt, seq) - octet_length(text) as before
            from (
                select attempt, seq, text, recorded_at
                from ringback.job_event
                where job_id = $1 and (attempt, seq) > ($2, $3)
                order by attempt, seq
                limit $4
            ) as event
        ) as piece
        order by attempt, seq
        "#,
        job.0,
        at.attempt,
        at.seq,
        limit
    )
    .fetch_all(executor)
    .await?;
    let most = i64::try_from(PAGE_BYTES).unwrap_or(i64::MAX);
    let there = rows.len();
    let chunks: Result<Vec<wire::Chunk>, sqlx::Error> = rows
        .into_iter()
        .take_while(|row| row.before < most)
        .map(|row| {
            Ok(wire::Chunk {
                attempt: row.attempt,
                seq: row.seq,
                text: row.text,
                recorded_at: time(row.recorded_at)?,
            })
        })
        .collect();
    let chunks = chunks?;
    let is_cut = chunks.len() < there || there == TEXT_PAGE;
    Ok((chunks, is_cut))
}

/// How far those of these jobs are that run and say so.
///
/// # Errors
/// Those of the database.
pub async fn progress_of(
    connection: &mut PgConnection,
    jobs: &[JobId],
) -> Result<Vec<Progress>, sqlx::Error> {
    let ids: Vec<Uuid> = jobs.iter().map(|job| job.0).collect();
    sqlx::query_as!(
        Progress,
        r#"
        select live.id as "id!: JobId", live.attempt, live.progress as "progress!"
        from unnest($1::uuid[]) as wanted (id)
        cross join lateral (
            select job.id, job.attempt, job.progress::text as progress from ringback.job
            where job.id = wanted.id and job.progress is not null
            offset 0
        ) as live
        "#,
        &ids
    )
    .fetch_all(connection)
    .await
}

impl Said {
    fn seq(&self) -> Option<i32> {
        match self {
            Self::Chunk { seq, .. } => Some(*seq),
            Self::Progress(_) => None,
        }
    }

    fn text(&self) -> Option<&str> {
        match self {
            Self::Chunk { text, .. } => Some(text),
            Self::Progress(_) => None,
        }
    }

    fn progress(&self) -> Option<String> {
        match self {
            Self::Chunk { .. } => None,
            Self::Progress(progress) => Some(progress.to_string()),
        }
    }
}
