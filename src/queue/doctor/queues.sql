-- The queues that are paused or have ready jobs, each with its tasks that wait: how many, since when, and how many living
-- workers (heard of within $1 seconds) take them.
select
    coalesce(waiting.queue, paused.name) as "queue!", waiting.task as "task?", coalesce(waiting.ready, 0) as "ready!",
    extract(epoch from clock_timestamp() - waiting.since)::double precision as waited,
    extract(epoch from clock_timestamp() - paused.paused_at)::double precision as paused,
    (
        select count(*) from ringback.worker
        where gone_at is null and beat_at > clock_timestamp() - make_interval(secs => $1::double precision)
            and waiting.queue = any (queues) and (tasks is null or waiting.task = any (tasks))
    ) as "workers!"
from (
    select queue, task, count(*) as ready, min(greatest(run_at, created_at)) as since
    from ringback.job
    where state = 'ready'
    group by queue, task
) as waiting
full join (select name, paused_at from ringback.queue where paused_at is not null) as paused on paused.name = waiting.queue
order by 1, 2
