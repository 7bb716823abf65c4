//! What a session has not acknowledged yet, and what it still waits for.

use std::collections::HashMap;

use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::ids::{JobId, SessionId};

/// What a client that comes back has to be told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Unread {
    /// Jobs that are over and not acknowledged, in the order of their ids.
    pub finished: Vec<JobId>,
    /// Jobs that are not over.
    pub pending: Vec<Pending>,
}

/// A job that is not over.
#[derive(Clone, Debug, PartialEq)]
pub struct Pending {
    /// The job.
    pub id: JobId,
    /// `scheduled`, `held`, `ready`, `running` or `waiting`.
    pub state: String,
    /// What it last said of itself.
    pub progress: Option<Value>,
}

impl Unread {
    /// All of these jobs.
    pub fn jobs(&self) -> impl Iterator<Item = JobId> {
        let pending = self.pending.iter().map(|pending| pending.id);
        self.finished.iter().copied().chain(pending)
    }
}

/// Reads both in one statement: a job that ends meanwhile is in the one or in the other, never in none.
///
/// # Errors
/// Those of the database.
pub async fn unread(
    connection: &mut PgConnection,
    sessions: &[SessionId],
) -> Result<HashMap<SessionId, Unread>, sqlx::Error> {
    let sessions: Vec<Uuid> = sessions.iter().map(|session| session.0).collect();
    let rows = sqlx::query!(
        r#"
        select wanted.id as "session!: SessionId", mail.job_id as "id!: JobId", null as state, null as progress
        from unnest($1::uuid[]) as wanted (id)
        cross join lateral (
            select mailbox.job_id from ringback.mailbox where mailbox.session_id = wanted.id offset 0
        ) as mail
        union all
        select wanted.id, live.id, live.state, live.progress::text
        from unnest($1::uuid[]) as wanted (id)
        cross join lateral (
            select job.id, job.state, job.progress from ringback.job where job.session_id = wanted.id offset 0
        ) as live
        order by 2
        "#,
        &sessions
    )
    .fetch_all(connection)
    .await?;
    let mut all: HashMap<SessionId, Unread> = HashMap::new();
    for row in rows {
        let unread = all.entry(row.session).or_default();
        match row.state {
            None => unread.finished.push(row.id),
            Some(state) => unread.pending.push(Pending {
                id: row.id,
                state,
                progress: row
                    .progress
                    .and_then(|progress| serde_json::from_str(&progress).ok()),
            }),
        }
    }
    Ok(all)
}

/// Forgets what clients have said they have: outcomes, and notices up to a number.
///
/// Committed a little later than it is answered: a crash of the server may undo it, and what was acknowledged then comes
/// again, with its id.
///
/// # Errors
/// Those of the database.
pub async fn acknowledge(
    connection: &mut PgConnection,
    outcomes: &[(SessionId, JobId)],
    notices: &[(SessionId, i64)],
) -> Result<(), sqlx::Error> {
    let sessions: Vec<Uuid> = outcomes.iter().map(|(session, _)| session.0).collect();
    let jobs: Vec<Uuid> = outcomes.iter().map(|(_, job)| job.0).collect();
    if !jobs.is_empty() {
        sqlx::query!(
            r#"
            with relaxed as materialized (select set_config('synchronous_commit', 'off', true))
            delete from ringback.mailbox
            where ctid = any (array(
                select mail.ctid
                from relaxed, unnest($1::uuid[], $2::uuid[]) as given (session_id, job_id)
                cross join lateral (
                    select mailbox.ctid from ringback.mailbox
                    where mailbox.session_id = given.session_id and mailbox.job_id = given.job_id
                    offset 0
                ) as mail
            ))
            "#,
            &sessions,
            &jobs
        )
        .execute(&mut *connection)
        .await?;
    }
    for (session, number) in notices {
        sqlx::query!(
            r#"
            with relaxed as materialized (select set_config('synchronous_commit', 'off', true))
            update ringback.session set notified = $2 from relaxed where id = $1 and notified < $2
            "#,
            session.0,
            number
        )
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}
