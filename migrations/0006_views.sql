-- The public contract, described in docs/history.md. People read these, never the tables.

create view ringback.jobs as
select
    id, connection_id, session_id, owner, task, task_type,
    input #>> '{}' as content,
    state,
    null::text as result,
    null::text as error,
    attempt as attempts,
    created_at as queued_at,
    started_at,
    null::timestamptz as finished_at,
    coalesce(started_at, now()) - greatest(created_at, run_at) as waited,
    now() - started_at as ran
from ringback.job
union all
select
    id, connection_id, session_id, owner, task, task_type,
    input #>> '{}',
    state,
    result #>> '{}',
    error,
    attempt,
    created_at,
    started_at,
    finished_at,
    coalesce(started_at, finished_at) - greatest(created_at, run_at),
    finished_at - started_at
from ringback.job_history;

-- Every attempt that has ended, the last one of a finished job included.
create view ringback.attempts as
select job_id, attempt, worker_id, started_at, ended_at, outcome, error_code, error
from ringback.job_attempt
union all
select id, attempt, worker_id, started_at, finished_at, state, error_code, error
from ringback.job_history
where started_at is not null;

create view ringback.queue_health as
select
    job.queue,
    count(*) filter (where job.state = 'ready') as ready,
    count(*) filter (where job.state = 'scheduled') as scheduled,
    count(*) filter (where job.state = 'running') as running,
    now() - min(job.run_at) filter (where job.state = 'ready') as oldest_wait,
    queue.paused_at
from ringback.job
left join ringback.queue on queue.name = job.queue
group by job.queue, queue.paused_at;

-- Of the jobs that were queued in the last hour and have finished.
create view ringback.latency_by_task as
select
    task,
    count(*) as finished,
    count(*) filter (where state = 'failed') as failed,
    percentile_cont(0.5) within group (order by coalesce(started_at, finished_at) - greatest(created_at, run_at)) as waited_p50,
    percentile_cont(0.95) within group (order by coalesce(started_at, finished_at) - greatest(created_at, run_at)) as waited_p95,
    percentile_cont(0.5) within group (order by finished_at - started_at) as ran_p50,
    percentile_cont(0.95) within group (order by finished_at - started_at) as ran_p95
from ringback.job_history
where id >= ringback.uuid_floor(now() - interval '1 hour')
group by task;
