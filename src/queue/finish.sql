-- Ends a batch of jobs: each leaves the live table if it still carries the claim, enters the history and the mailbox
-- of its session, and the gateway is told, a hundred ids to a hint. A job that was asked to end, and has failed, counts as
-- cancelled. $1..$6 are columns, a row each; $7 says whether to hint.
with outcome as materialized (
    select id, state, result::jsonb as result, error_code, error
    from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[])
        as outcome (id, claim_id, state, result, error_code, error)
), ended as (
    -- Not joined: while the planner believes that the table is small, it may read all of it for each outcome.
    -- A claim's id is never that of another, so a row that carries one of these carries its own.
    delete from ringback.job
    where job.id = any ($1::uuid[]) and job.claim_id = any ($2::uuid[])
    returning
        job.id, job.task, job.task_type, job.queue, job.input, job.priority, job.run_at, job.created_at, job.attempt,
        job.failures, job.crashes, job.max_attempts, job.started_at, job.worker_id, job.connection_id, job.gateway_id,
        job.session_id, job.owner, job.concurrency_key, job.stream, job.retry_of, job.cancel_requested_at,
        job.limited_key or job.limited_task as limited
), recorded as (
    insert into ringback.job_history (
        id, task, task_type, queue, input, priority, run_at, created_at, attempt, failures, crashes, max_attempts,
        started_at, worker_id, connection_id, session_id, owner, concurrency_key, stream, retry_of, state, result,
        error_code, error, finished_at
    )
    select
        id, task, task_type, queue, input, priority, run_at, created_at, attempt,
        failures + case when told.state = 'failed' then 1 else 0 end, crashes, max_attempts,
        started_at, worker_id, connection_id, session_id, owner, concurrency_key, stream, retry_of, told.state, result,
        told.error_code, told.error, clock_timestamp()
    from ended
    join outcome using (id)
    cross join lateral (
        select
            case when cancelled then 'cancelled' else outcome.state end as state,
            case when cancelled then 'cancelled' else outcome.error_code end as error_code,
            case when cancelled then 'the job was cancelled' else outcome.error end as error
        from (select outcome.state = 'failed' and cancel_requested_at is not null as cancelled) as asked
    ) as told
    on conflict (id) do nothing
    returning id
), addressed as materialized (
    -- To where their sessions are now; looked up one by one, since two lists joined may meet as each with each.
    select ended.id, home.id as session_id, coalesce(home.gateway_id, ended.gateway_id) as gateway_id
    from ended
    left join lateral (
        select session.id, session.gateway_id from ringback.session where session.id = ended.session_id offset 0
    ) as home on true
), mailed as (
    insert into ringback.mailbox (session_id, job_id)
    select session_id, id from addressed where session_id is not null
    on conflict do nothing
), hinted as (
    select ringback.hint('ringback_done_' || replace(gateway_id::text, '-', ''), string_agg(id::text, ' '))
    from (
        select id, gateway_id, (row_number() over (partition by gateway_id) - 1) / 100 as page
        from addressed
        where $7::boolean and gateway_id is not null
    ) as paged
    group by gateway_id, page
    union all
    select ringback.hint('ringback_ready', 'held')
    where $7::boolean and exists (select from ended where limited)
)
select count(*) as "recorded!", (select count(*) from hinted) as "hinted!" from recorded
