-- Commits a batch of new jobs and hints the workers of each queue.
-- $1..$10 are columns, a row each ($10 is in seconds since 1970; null is now); $11 says that this batch may be stored
-- already (its connection was cut while it was being committed), so whatever the history has is left out; $12 whether
-- to hint.
with submitted as (
    select id, task, task_type, queue, input::jsonb as input, priority, max_attempts, connection_id, gateway_id,
        coalesce(to_timestamp(due), now()) as run_at
    from unnest(
        $1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::smallint[], $7::integer[], $8::uuid[],
        $9::uuid[], $10::double precision[]
    ) as submitted (id, task, task_type, queue, input, priority, max_attempts, connection_id, gateway_id, due)
), stored as (
    insert into ringback.job (
        id, task, task_type, queue, input, priority, max_attempts, connection_id, gateway_id, run_at, state, rank
    )
    select
        id, task, task_type, queue, input, priority, max_attempts, connection_id, gateway_id, run_at,
        case when run_at > now() then 'scheduled' else 'ready' end, ringback.rank(run_at, priority)
    from submitted
    -- Not `exists`, which may be planned as a hash of the whole history.
    where not $11::boolean or (select past.id from ringback.job_history past where past.id = submitted.id) is null
    on conflict (id) do nothing
    returning queue, rank, state
), hinted as (
    select ringback.hint('ringback_ready', queue || ' ' || min(rank))
    from stored
    where $12::boolean and state = 'ready'
    group by queue
)
select count(*) as "stored!", (select count(*) from hinted) as "hinted!" from stored
