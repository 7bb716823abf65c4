//! What a session has not acknowledged yet, and what it still waits for.

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
    session: SessionId,
) -> Result<Unread, sqlx::Error> {
    let rows = sqlx::query!(
        r#"
        select job_id as "id!: JobId", null as state, null as progress
        from ringback.mailbox
        where session_id = $1
        union all
        select id, state, progress::text
        from ringback.job
        where session_id = $1
        order by 1
        "#,
        session.0
    )
    .fetch_all(connection)
    .await?;
    let mut unread = Unread::default();
    for row in rows {
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
    Ok(unread)
}

/// Forgets what clients have said they have: outcomes, and notices up to a number.
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
            delete from ringback.mailbox
            where ctid = any (array(
                select mail.ctid
                from unnest($1::uuid[], $2::uuid[]) as given (session_id, job_id)
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
            "update ringback.session set notified = $2 where id = $1 and notified < $2",
            session.0,
            number
        )
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}
