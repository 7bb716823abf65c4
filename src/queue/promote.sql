-- Makes ready, or held where its task is limited, what has become due, at most $1 at a time; one process at a time.
-- $2 says whether to hint.
with turn as materialized (
    select pg_try_advisory_xact_lock(hashtextextended('ringback.promote', 0)) as got
), due as materialized (
    select due_now.id
    from turn
    cross join lateral (
        select job.id
        from ringback.job
        where turn.got and job.state = 'scheduled' and job.run_at <= now()
        order by job.run_at
        limit $1::bigint
        for update skip locked
    ) as due_now
), promoted as (
    update ringback.job
    set state = ringback.due_state(job.limited_key, job.limited_task),
        held_for = ringback.due_hold(job.limited_key, job.limited_task)
    where job.id = any (array(select id from due))
    returning job.queue, job.rank, job.state
), hinted as (
    select ringback.hint('ringback_ready', queue || ' ' || min(rank))
    from promoted
    where $2::boolean and state = 'ready'
    group by queue
    union all
    select ringback.hint('ringback_ready', 'held')
    where $2::boolean and exists (select from promoted where state = 'held')
)
select
    count(*) as "promoted!",
    (select count(*) from hinted) as "hinted!"
from promoted
