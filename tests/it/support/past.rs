//! What has been there for a while, and how it goes.

use std::time::Duration;

use ringback::config::Keep;

use super::TestDatabase;

/// How many rows of a table one statement may delete, at most.
pub(crate) const BATCH: i64 = 1_000;

/// The tables that have a partition for each day.
pub(crate) const PARTITIONED: [&str; 3] = ["job_history", "job_attempt", "job_event"];

/// The usual periods, but for the history.
pub(crate) fn keep(history: Duration) -> Keep {
    Keep {
        history,
        ..Keep::default()
    }
}

/// The day of so many days ago, as the partitions are called.
pub(crate) async fn day(database: &TestDatabase, days_ago: i32) -> String {
    sqlx::query_scalar("select to_char((now() at time zone 'UTC')::date - $1, 'YYYYMMDD')")
        .bind(days_ago)
        .fetch_one(&database.pool)
        .await
        .unwrap()
}

impl TestDatabase {
    /// So many jobs that were submitted so many days ago, each five seconds after the one before, and ended at once;
    /// each third has failed, and has an attempt and a piece of text besides.
    pub(crate) async fn past(&self, days_ago: i32, jobs: i32) {
        self.execute(&format!(
            "select ringback.make_partitions((now() at time zone 'UTC')::date - {days_ago})"
        ))
        .await;
        self.execute(&format!(
            "with made as (
                 insert into ringback.job_history (id, task, task_type, queue, input, state, result, error_code, error,
                     priority, run_at, created_at, attempt, failures, crashes, max_attempts, started_at, finished_at, owner)
                 select overlay(gen_random_uuid()::text placing left(ringback.uuid_floor(at)::text, 13) from 1 for 13)::uuid,
                     case when number % 2 = 0 then 'even' else 'odd' end, 'a', 'default', to_jsonb('x' || number),
                     case when number % 3 = 0 then 'failed' else 'succeeded' end, '\"y\"',
                     case when number % 3 = 0 then 'task_failed' end, case when number % 3 = 0 then 'no' end,
                     0, at, at, 2, 0, 0, 5, at, at, 'anonymous'
                 from generate_series(0, {jobs} - 1) as number
                 cross join lateral (
                     select ((now() at time zone 'UTC')::date - {days_ago})::timestamp at time zone 'UTC'
                         + number * interval '5 seconds' as at
                 ) as time
                 returning id, state, created_at
             ), attempts as (
                 insert into ringback.job_attempt (job_id, attempt, started_at, ended_at, outcome, error_code, error)
                 select id, 1, created_at, created_at, 'failed', 'task_failed', 'no' from made where state = 'failed'
             )
             insert into ringback.job_event (job_id, attempt, seq, text, recorded_at)
             select id, 1, 1, 'a piece', created_at from made where state = 'failed'"
        ))
        .await;
    }

    /// A job of so many days ago that is still to be run.
    pub(crate) async fn keeps_one_of(&self, days_ago: i32) {
        self.execute(&format!(
            "insert into ringback.job (id, task, task_type, queue, input, state, rank, run_at, max_attempts)
             select overlay(gen_random_uuid()::text placing
                     left(ringback.uuid_floor(now() - interval '{days_ago} d')::text, 13) from 1 for 13)::uuid,
                 'nobodys', 'a', 'default', '1', 'scheduled', 0, now() + interval '1 d', 5"
        ))
        .await;
    }

    /// Whether there is a partition for that day.
    pub(crate) async fn has_partition(&self, table: &str, days_ago: i32) -> bool {
        let name = format!("{table}_{}", day(self, days_ago).await);
        self.count(&format!("pg_class where relname = '{name}'"))
            .await
            == 1
    }

    /// From now on notes how many rows each statement deletes from these tables, and lets each take `moment` seconds.
    pub(crate) async fn note_batches(&self, tables: &[&str], moment: &str) {
        self.execute("create table public.batch (name text, size bigint)")
            .await;
        self.execute(&format!(
            "create function public.note_batch() returns trigger language plpgsql as $$
             begin
                 insert into public.batch select tg_table_name, count(*) from gone having count(*) > 0;
                 perform pg_sleep({moment}) where exists (select from gone);
                 return null;
             end $$"
        ))
        .await;
        for table in tables {
            self.execute(&format!(
                "create trigger note_batch after delete on ringback.{table} referencing old table as gone
                 for each statement execute function public.note_batch()"
            ))
            .await;
        }
    }

    /// The sizes of the batches in which rows of a table were deleted, the largest first.
    pub(crate) async fn batches(&self, table: &str) -> Vec<i64> {
        sqlx::query_scalar("select size from public.batch where name = $1 order by size desc")
            .bind(table)
            .fetch_all(&self.pool)
            .await
            .unwrap()
    }
}
