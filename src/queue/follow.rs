//! Following one job: what it says while it runs, and how it ends.

use sqlx::PgConnection;
use uuid::Uuid;

use super::read::{Outcome, outcomes};
use super::report::{Chunk, Position, Progress, chunks_after, progress_of};
use crate::ids::JobId;

/// Something that happened to a job.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The next piece of its text.
    Chunk(Chunk),
    /// How far it is.
    Progress(Progress),
    /// It is over; nothing more will happen.
    Ended(Outcome),
}

/// Where somebody is who follows a job.
#[derive(Clone, Debug)]
pub struct Follower {
    job: JobId,
    at: Position,
    /// The last that was said, and by which attempt.
    progress: Option<(i32, String)>,
}

impl Follower {
    /// Follows `job`, whose text is known until `at`.
    #[must_use]
    pub fn new(job: JobId, at: Position) -> Self {
        Self {
            job,
            at,
            progress: None,
        }
    }

    /// What has happened since the last look, in its order: all of its text before its end.
    ///
    /// # Errors
    /// Those of the database; the next look sees what this one did not.
    pub async fn look(&mut self, connection: &mut PgConnection) -> Result<Vec<Event>, sqlx::Error> {
        // First, since what it has said is committed before its end: a text that is read afterwards is whole.
        let ended = outcomes(&mut *connection, &[self.job]).await?.pop();
        let said = chunks_after(connection, &[(self.job, self.at)]).await?;
        let mut events: Vec<Event> = Vec::new();
        for chunk in said.chunks {
            self.at = chunk.at;
            events.push(Event::Chunk(chunk));
        }
        if !said.more.is_empty() {
            return Ok(events);
        }
        match ended {
            Some(outcome) => events.push(Event::Ended(outcome)),
            None => {
                let progress = progress_of(connection, &[self.job]).await?.pop();
                if let Some(progress) = progress {
                    let said = (progress.attempt, progress.progress.clone());
                    if self.progress.as_ref() != Some(&said) {
                        self.progress = Some(said);
                        events.push(Event::Progress(progress));
                    }
                }
            }
        }
        Ok(events)
    }
}

/// What each of these jobs looks like, in a word that changes whenever something happens to it.
///
/// # Errors
/// Those of the database.
pub async fn looks(
    connection: &mut PgConnection,
    jobs: &[JobId],
) -> Result<Vec<(JobId, String)>, sqlx::Error> {
    let ids: Vec<Uuid> = jobs.iter().map(|job| job.0).collect();
    let rows = sqlx::query!(
        r#"
        select
            wanted.id as "id!: JobId",
            concat_ws(
                ' ',
                (
                    select concat_ws(' ', job.state, job.attempt, md5(job.progress::text), job.cancel_requested_at)
                    from ringback.job
                    where job.id = wanted.id
                ),
                (select past.state from ringback.job_history as past where past.id = wanted.id),
                (
                    select concat_ws(' ', event.attempt, event.seq) from ringback.job_event as event
                    where event.job_id = wanted.id
                    order by event.attempt desc, event.seq desc
                    limit 1
                )
            ) as "look!"
        from unnest($1::uuid[]) as wanted (id)
        "#,
        &ids
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.look)).collect())
}
