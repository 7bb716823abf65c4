-- Tasks of one's own: what their jobs work on and give back, and the jobs that jobs ask for.

alter table ringback.task
    -- As JSON Schema, with its fields in the order in which they were written. Null is anything: whoever has registered it does not say, such as a program of an earlier version.
    add column input_schema json,
    add column output_schema json;

-- The tasks that it can run; null where its program is too old to say.
alter table ringback.worker add column tasks text[];

-- The task that runs what is asked for by this name: the one that is called so, or else the one called `default`.
create function ringback.task_for(asked text) returns ringback.task
language plpgsql stable
as $$
declare
    known ringback.task;
begin
    select * into known from ringback.task where name = task_for.asked;
    if not found then
        select * into known from ringback.task where name = 'default';
    end if;
    if not found then
        raise exception 'no task is called %', task_for.asked
            using errcode = 'undefined_object',
            hint = 'A task is known once a worker or a gateway that has it was started; select name from ringback.task lists them.';
    end if;
    return known;
end
$$;

-- With what autoscalers need besides: who works on a queue, and for how many jobs they have room at most.
create or replace view ringback.queue_health as
select
    health.queue, health.ready, health.scheduled, health.running, health.oldest_wait, health.paused_at, health.held,
    health.waiting, able.workers, able.slots
from (
    select
        job.queue,
        count(*) filter (where job.state = 'ready') as ready,
        count(*) filter (where job.state = 'scheduled') as scheduled,
        count(*) filter (where job.state = 'running') as running,
        now() - min(job.run_at) filter (where job.state = 'ready') as oldest_wait,
        queue.paused_at,
        count(*) filter (where job.state = 'held') as held,
        count(*) filter (where job.state = 'waiting') as waiting
    from ringback.job
    left join ringback.queue on queue.name = job.queue
    group by job.queue, queue.paused_at
) as health
cross join lateral (
    select count(*) as workers, coalesce(sum(concurrency), 0) as slots
    from ringback.worker
    where health.queue = any (worker.queues) and gone_at is null
        and beat_at > clock_timestamp() - interval '15 seconds'
) as able;
