-- Commits a batch of new jobs and hints the workers of each queue.
-- $1..$14 are columns, a row each: $10 is in seconds since 1970, null is now; $13 is the key of a submission that may be
-- repeated, and $14 for how many seconds. $15 says that this batch may be stored already (its connection was cut while
-- it was being committed), so whatever the history has is left out; $16 whether to hint.
-- Answers which of them repeat an earlier submission, of which job, and whether they ask for the same.
with submitted as materialized (
    select id, task, task_type, queue, input::jsonb as input, priority, max_attempts, connection_id, gateway_id,
        coalesce(to_timestamp(due), now()) as run_at, session_id, owner, key,
        case when key is not null then
            sha256(convert_to(jsonb_build_array(task_type, input::jsonb, priority)::text, 'UTF8'))
        end as request,
        make_interval(secs => keep) as keep
    from unnest(
        $1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::smallint[], $7::integer[], $8::uuid[],
        $9::uuid[], $10::double precision[], $11::uuid[], $12::text[], $13::text[], $14::double precision[]
    ) as submitted (
        id, task, task_type, queue, input, priority, max_attempts, connection_id, gateway_id, due, session_id, owner,
        key, keep
    )
), kept as (
    insert into ringback.idempotency as kept (owner, key, job_id, request, expires_at)
    -- In the order of the keys, so that two batches do not wait for each other in a circle.
    select distinct on (owner, key) owner, key, id, request, now() + keep
    from submitted
    where key is not null
    order by owner, key, id
    -- An update, because only that waits for a submission under way and sees what it has written.
    on conflict (owner, key) do update set
        job_id = case when kept.expires_at < now() then excluded.job_id else kept.job_id end,
        request = case when kept.expires_at < now() then excluded.request else kept.request end,
        expires_at = case when kept.expires_at < now() then excluded.expires_at else kept.expires_at end
    returning kept.owner, kept.key, kept.job_id, kept.request
), repeated as materialized (
    select submitted.id, kept.job_id, kept.request = submitted.request as same
    from submitted
    join kept using (owner, key)
    where kept.job_id <> submitted.id
), stored as (
    insert into ringback.job (
        id, task, task_type, queue, input, priority, max_attempts, connection_id, gateway_id, session_id, owner, run_at,
        state, rank
    )
    select
        id, task, task_type, queue, input, priority, max_attempts, connection_id, gateway_id, session_id, owner,
        run_at, case when run_at > now() then 'scheduled' else 'ready' end, ringback.rank(run_at, priority)
    from submitted
    where id <> all (array(select repeated.id from repeated))
        -- Not `exists`, which may be planned as a hash of the whole history.
        and (
            not $15::boolean
            or (select past.id from ringback.job_history past where past.id = submitted.id) is null
        )
    on conflict (id) do nothing
    returning queue, rank, state
), hinted as (
    select ringback.hint('ringback_ready', queue || ' ' || min(rank))
    from stored
    where $16::boolean and state = 'ready'
    group by queue
)
select
    (select count(*) from stored) as "stored!",
    (select count(*) from hinted) as "hinted!",
    array(select id from repeated order by id) as "submitted!",
    array(select job_id from repeated order by id) as "jobs!",
    array(select same from repeated order by id) as "same!"
