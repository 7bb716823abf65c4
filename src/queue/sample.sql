-- Takes the sample of the last $1 seconds that are over, unless somebody has, or is just doing so.
-- Over for $2 seconds: whoever says when a job ended commits it a moment later.
with due as materialized (
    select span.ends
    from (
        select to_timestamp(floor((extract(epoch from clock_timestamp()) - $2::double precision) / $1::double precision) * $1)
            as ends
    ) as span
    where not exists (select from ringback.sample where sample.at = span.ends)
        and pg_try_advisory_xact_lock(hashtextextended('ringback.sample', 0))
)
insert into ringback.sample
select
    due.ends, $1,
    live.scheduled, live.held, live.ready, live.running, live.waiting,
    past.succeeded, past.failed, past.cancelled,
    past.waited[1], past.waited[2], past.waited[3], past.ran[1], past.ran[2], past.ran[3]
from due
cross join lateral (
    select
        count(*) filter (where job.state = 'scheduled') as scheduled,
        count(*) filter (where job.state = 'held') as held,
        count(*) filter (where job.state = 'ready') as ready,
        count(*) filter (where job.state = 'running') as running,
        count(*) filter (where job.state = 'waiting') as waiting
    from ringback.job
    -- So that it is counted only where a sample is due.
    where due.ends is not null
) as live
cross join lateral (
    select
        count(*) filter (where ended.state = 'succeeded') as succeeded,
        count(*) filter (where ended.state = 'failed') as failed,
        count(*) filter (where ended.state = 'cancelled') as cancelled,
        percentile_cont(array[0.5, 0.95, 0.99]) within group (
            order by extract(epoch from ended.started_at - greatest(ended.created_at, ended.run_at))::double precision
        ) as waited,
        percentile_cont(array[0.5, 0.95, 0.99]) within group (
            order by extract(epoch from ended.finished_at - ended.started_at)::double precision
        ) as ran
    from ringback.job_history as ended
    where ended.finished_at >= due.ends - make_interval(secs => $1) and ended.finished_at < due.ends
) as past
on conflict (at) do nothing
