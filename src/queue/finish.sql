-- Ends a batch of jobs: each leaves the live table if it still carries the claim, enters the history and the mailbox
-- of its session, and the gateway is told, a hundred ids to a hint. A job that was asked to end, and has failed, counts as
-- cancelled. $1..$6 are columns, a row each, or empty where no row has a value; $7 says whether to hint; $8 that one of
-- the jobs may be over already, so whatever the history has is not recorded again; $9 that it matters which
-- were recorded; $10, where $7 says no, to answer the hints, for whoever sends them after the commit.
with outcome as materialized (
    select id, claim_id, state, result::jsonb as result, error_code, error
    from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[])
        as outcome (id, claim_id, state, result, error_code, error)
), ended as (
    -- Not joined: while the planner believes that the table is small, it may read all of it for each outcome. `is true`
    -- keeps the second condition a look-up in a hash.
    delete from ringback.job
    where job.id = any ($1::uuid[]) and ((job.id, job.claim_id) in (select id, claim_id from outcome)) is true
    returning
        job.id, job.claim_id, job.task, job.task_type, job.queue, job.input, job.priority, job.run_at, job.created_at,
        job.attempt, job.failures, job.crashes, job.max_attempts, job.started_at, job.worker_id, job.connection_id,
        job.gateway_id, job.session_id, job.owner, job.concurrency_key, job.stream, job.retry_of,
        job.traceparent, job.cancel_requested_at, job.limited_key or job.limited_task as limited
), recorded as (
    insert into ringback.job_history (
        id, task, task_type, queue, input, priority, run_at, created_at, attempt, failures, crashes, max_attempts,
        started_at, worker_id, connection_id, session_id, owner, concurrency_key, stream, retry_of, traceparent, state,
        result, error_code, error, finished_at
    )
    select
        ended.id, task, task_type, queue, input, priority, run_at, created_at, attempt,
        failures + case when told.state = 'failed' then 1 else 0 end, crashes, max_attempts,
        started_at, worker_id, connection_id, session_id, owner, concurrency_key, stream, retry_of, traceparent, told.state,
        result, told.error_code, told.error, clock_timestamp()
    -- Each outcome has one job or none. As a full join it is done by hashing, whatever the planner believes about their
    -- number; the condition is put so that it remains one.
    from ended
    full join outcome on outcome.id = ended.id and outcome.claim_id = ended.claim_id
    cross join lateral (
        select
            case when cancelled then 'cancelled' else outcome.state end as state,
            case when cancelled then 'cancelled' else outcome.error_code end as error_code,
            case when cancelled then 'the job was cancelled' else outcome.error end as error
        from (select outcome.state = 'failed' and cancel_requested_at is not null as cancelled) as asked
    ) as told
    where case when ended.id is null then false else true end
        and (not $8::boolean or (select past.id from ringback.job_history past where past.id = ended.id) is null)
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
), hint as materialized (
    select 'ringback_done_' || replace(gateway_id::text, '-', '') as channel, string_agg(id::text, ' ') as payload
    from (
        select id, gateway_id, (row_number() over (partition by gateway_id) - 1) / 100 as page
        from addressed
        where ($7::boolean or $10::boolean) and gateway_id is not null
    ) as paged
    group by gateway_id, page
    union all
    select 'ringback_ready', 'held'
    where ($7::boolean or $10::boolean) and exists (select from ended where limited)
), hinted as (
    select ringback.hint(channel, payload) from hint where $7::boolean
)
select
    count(*) as "recorded!",
    (select count(*) from hinted) as "hinted!",
    array(select channel from hint where $10::boolean) as "channels!",
    array(select payload from hint where $10::boolean) as "payloads!",
    array(select claim_id from ended where $9::boolean and id = any (array(select id from recorded)) order by id)
        as "claims!",
    array(select owner from ended where $9::boolean and id = any (array(select id from recorded)) order by id)
        as "owners!"
from recorded
