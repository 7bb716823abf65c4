-- What there is for a sweep to do, and after how many seconds there will be more; reads only. $1 is a worker's lease,
-- $2 the span of a sample, and $3 how long that is over before it is taken, all in seconds.
with clock as materialized (
    select clock_timestamp() as now
), scheduled as materialized (
    select
        (select job.run_at from ringback.job where job.state = 'scheduled' order by job.run_at limit 1) as first,
        (
            select job.run_at from ringback.job
            where job.state = 'scheduled' and job.run_at > clock.now
            order by job.run_at
            limit 1
        ) as later
    from clock
), limits as materialized (
    select
        (select limit_event.due_at from ringback.limit_event order by limit_event.due_at limit 1) as first,
        (
            select limit_event.due_at from ringback.limit_event
            where limit_event.due_at > clock.now
            order by limit_event.due_at
            limit 1
        ) as later
    from clock
), recurring as materialized (
    -- What never fires again has a time as well: infinity.
    select
        (select recurring.next_at from ringback.recurring order by recurring.next_at limit 1) as first,
        (
            select recurring.next_at from ringback.recurring
            where recurring.next_at > clock.now and recurring.next_at < 'infinity'
            order by recurring.next_at
            limit 1
        ) as later
    from clock
), waiting as materialized (
    select
        (select job.deadline from ringback.job where job.state = 'waiting' order by job.deadline limit 1) as first,
        (
            select job.deadline from ringback.job
            where job.state = 'waiting' and job.deadline > clock.now
            order by job.deadline
            limit 1
        ) as later
    from clock
), silent as materialized (
    select
        -- As recover.sql has it: one that is gone may have left a job all the same.
        bool_or(
            worker.beat_at < clock.now - make_interval(secs => $1::double precision)
            and (
                worker.gone_at is null
                -- Asked of each worker by the index, never by a hash of all that runs.
                or (
                    select job.id from ringback.job
                    where job.worker_id = worker.id and job.state = 'running'
                    limit 1
                ) is not null
            )
        ) as now,
        min(worker.beat_at + make_interval(secs => $1::double precision)) filter (
            where worker.gone_at is null and worker.beat_at >= clock.now - make_interval(secs => $1::double precision)
        ) as later
    from clock, ringback.worker
)
select
    extract(epoch from clock.now)::double precision as "now!",
    coalesce(scheduled.first <= clock.now, false) as "scheduled!",
    coalesce(limits.first <= clock.now, false) as "limits!",
    coalesce(recurring.first <= clock.now, false) as "recurring!",
    coalesce(waiting.first <= clock.now, false) as "overdue!",
    coalesce(silent.now, false) as "silent!",
    not exists (
        select from ringback.sample
        where sample.at = to_timestamp(
            floor((extract(epoch from clock.now) - $3::double precision) / $2::double precision)
                * $2::double precision
        )
    ) as "sample!",
    extract(
        epoch from least(scheduled.later, limits.later, recurring.later, waiting.later, silent.later) - clock.now
    )::double precision as later
from clock, scheduled, limits, recurring, waiting, silent
