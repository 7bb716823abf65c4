//! The jobs that jobs have asked for, stored with the results of those.

use sqlx::PgConnection;

use super::enqueue::insert;
use super::{Asker, Due, NewJob, Try};
use crate::ids::JobId;
use crate::postgres::hints::{Hint, Hinting};
use crate::task::FollowUp;

/// Stores, in the transaction that `connection` is in, what each owner's jobs have asked for; answers the hints to send
/// when it is committed.
///
/// # Errors
/// Those of the database; one of them is that there is no such task, nor a default one.
pub(super) async fn follow_up<'a>(
    connection: &mut PgConnection,
    followed: impl Iterator<Item = (&'a str, &'a [FollowUp])>,
    hints: Hinting,
) -> Result<Vec<Hint>, sqlx::Error> {
    let asked: Vec<(&str, &FollowUp)> = followed
        .flat_map(|(owner, jobs)| jobs.iter().map(move |job| (owner, job)))
        .collect();
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let names: Vec<&str> = asked.iter().map(|(_, job)| job.task.as_str()).collect();
    let found = sqlx::query!(
        r#"
        select ringback.uuid_new() as "id!: JobId", (found.task).name as "task!", (found.task).queue as "queue!"
        from unnest($1::text[]) with ordinality as asked (name, number)
        cross join lateral (select ringback.task_for(asked.name) as task) as found
        order by asked.number
        "#,
        &names as _
    )
    .fetch_all(&mut *connection)
    .await?;
    let jobs = asked.iter().zip(found).map(|((owner, job), found)| NewJob {
        id: found.id,
        task: found.task,
        task_type: job.task.clone(),
        queue: found.queue,
        input: job.input.clone(),
        priority: job.priority,
        max_attempts: job.max_attempts,
        due: match (job.delay, job.run_at) {
            (Some(delay), _) => Due::After(delay),
            (None, Some(time)) => Due::At(time),
            (None, None) => Due::Now,
        },
        concurrency_key: job.concurrency_key.clone(),
        stream: false,
        traceparent: job.traceparent.clone(),
        asker: Asker {
            owner: (*owner).to_owned(),
            ..Asker::nobody()
        },
        key: None,
    });
    let jobs: Vec<NewJob> = jobs.collect();
    let stored = insert(connection, &jobs, Try::first(hints)).await?;
    Ok(stored.hints)
}
