-- Commits a batch of new jobs and hints the workers of each queue.
-- $1..$17 and $20 are columns, a row each: $7 is how often it may fail, null is as often as its task; $10 is in seconds since
-- 1970, and $11 in seconds from now; $16 is the key of a submission that may be repeated, and $17 for how many seconds;
-- $20 is the trace that it is a part of.
-- A column in which no row has a value may be empty.
-- $18 says that this batch may be stored already (its connection was cut while it was being committed), so whatever
-- is stored or over is left out; as a rule nothing is, and looking for it would cost more than storing; $19 whether to
-- hint, or else $21 whether to answer the hints, for whoever sends them after the commit.
-- Answers which of them repeat an earlier submission, of which job, and whether they ask for the same.
with submitted as materialized (
    select
        given.id, given.task, task_type, given.queue, input::jsonb as content, coalesce(given.priority, 0::smallint) as priority,
        connection_id, gateway_id, session_id, owner, concurrency_key, coalesce(stream, false) as stream, key, keep, traceparent,
        coalesce(to_timestamp(due), now()) + coalesce(make_interval(secs => delay), interval '0') as run_at,
        -- A task that nobody has registered yet has no say.
        coalesce(attempts, known.max_attempts, 5) as max_attempts,
        coalesce(known.limits_task, false) as limited_task,
        coalesce(known.limits_keys, false) and concurrency_key is not null as limited_key,
        case when key is not null then
            ringback.request_hash(
                task_type, input::jsonb, coalesce(given.priority, 0), to_timestamp(due), make_interval(secs => delay),
                attempts, concurrency_key, coalesce(stream, false)
            )
        end as request
    from unnest(
        $1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::smallint[], $7::integer[], $8::uuid[],
        $9::uuid[], $10::double precision[], $11::double precision[], $12::text[], $13::uuid[], $14::text[],
        $15::boolean[], $16::text[], $17::double precision[], $20::text[]
    ) as given (
        id, task, task_type, queue, input, priority, attempts, connection_id, gateway_id, due, delay, concurrency_key,
        session_id, owner, stream, key, keep, traceparent
    )
    left join ringback.task as known on known.name = given.task
), patience as materialized (
    -- Somebody's own transaction may hold a key for as long as it likes: the others of this batch do not wait for it.
    select set_config('lock_timeout', '300ms', true) from (select from submitted where key is not null limit 1) as keyed
), kept as (
    insert into ringback.idempotency as kept (owner, key, job_id, request, expires_at)
    -- In the order of the keys, so that two batches do not wait for each other in a circle.
    select distinct on (owner, key) owner, key, id, request, now() + make_interval(secs => keep)
    from patience, submitted
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
    -- A full join: that is done by hashing, whatever the planner believes about their number; the condition is put so
    -- that it remains one.
    from submitted
    full join kept on kept.owner = submitted.owner and kept.key = submitted.key
    where case when kept.job_id <> submitted.id then true else false end
), stored as (
    insert into ringback.job (
        id, task, task_type, queue, input, priority, max_attempts, connection_id, gateway_id, session_id, owner, run_at,
        concurrency_key, limited_task, limited_key, stream, traceparent, state, held_for, rank
    )
    select
        id, task, task_type, queue, content, priority, max_attempts, connection_id, gateway_id, session_id, owner,
        run_at, concurrency_key, limited_task, limited_key, stream, traceparent,
        case when run_at > now() then 'scheduled' else ringback.due_state(limited_key, limited_task) end,
        case when run_at <= now() then ringback.due_hold(limited_key, limited_task) end,
        ringback.rank(run_at, priority)
    from submitted
    where id <> all (array(select repeated.id from repeated))
        -- Not `exists`, which may be planned as a hash of the whole table.
        and (
            not $18::boolean
            or (select live.id from ringback.job live where live.id = submitted.id) is null
            and (select past.id from ringback.job_history past where past.id = submitted.id) is null
        )
    returning queue, rank, state
), hint as materialized (
    select 'ringback_ready' as channel, queue || ' ' || min(rank) as payload
    from stored
    where ($19::boolean or $21::boolean) and state = 'ready'
    group by queue
    union all
    select 'ringback_ready', 'held'
    where ($19::boolean or $21::boolean) and exists (select from stored where state = 'held')
), hinted as (
    select ringback.hint(channel, payload) from hint where $19::boolean
)
select
    (select count(*) from stored) as "stored!",
    (select count(*) from hinted) as "hinted!",
    array(select channel from hint where $21::boolean) as "channels!",
    array(select payload from hint where $21::boolean) as "payloads!",
    array(select id from repeated order by id) as "submitted!",
    array(select job_id from repeated order by id) as "jobs!",
    array(select same from repeated order by id) as "same!"
