-- Claims at most $8 ready jobs of the queues $1, each from the place ($2, $3) where its last scan found work.
-- $4 is the worker, $5 the tasks it can run, $6 how many of each queue there is room for, $7 whether the commit may be
-- asynchronous: losing a claim is harmless, because the next one has another claim_id.
-- Answers a row for each job, or one row without; each says whether one of the queues is paused.
with relaxed as materialized (
    select set_config('synchronous_commit', case when $7::boolean then 'off' else 'on' end, true)
), paused as materialized (
    select queue.name from ringback.queue where queue.name = any ($1::text[]) and queue.paused_at is not null
), picked as materialized (
    select ready.id
    from relaxed, unnest($1::text[], $2::bigint[], $3::uuid[], $6::bigint[]) as want (queue, from_rank, from_id, width)
    cross join lateral (
        select job.id
        from ringback.job
        where job.queue = want.queue
            and job.state = 'ready'
            and (job.rank, job.id) >= (want.from_rank, want.from_id)
            and job.task = any ($5::text[])
        order by job.rank, job.id
        limit want.width
        for update skip locked
    ) as ready
    where want.queue not in (select name from paused)
    limit $8::bigint
), claimed as (
    update ringback.job
    set state = 'running',
        attempt = job.attempt + 1,
        claim_id = gen_random_uuid(),
        worker_id = $4::uuid,
        started_at = clock_timestamp()
    -- Not joined: while the planner believes that the table is small, it may read all of it for each row picked.
    where job.id = any (array(select id from picked))
    returning
        job.id, job.claim_id, job.queue, job.rank, job.task, job.task_type, job.input::text as input, job.attempt,
        job.failures, job.max_attempts, job.connection_id, job.stream, job.traceparent, job.started_at, job.run_at,
        job.created_at
)
select
    claimed.id as "id?: JobId", claimed.claim_id as "claim_id?: ClaimId", claimed.queue as "queue?",
    claimed.rank as "rank?", claimed.task as "task?", claimed.task_type as "task_type?", claimed.input as "input?",
    claimed.attempt as "attempt?", claimed.failures as "failures?", claimed.max_attempts as "max_attempts?",
    claimed.connection_id as "connection_id?: ConnectionId", claimed.stream as "stream?", claimed.traceparent as "traceparent?",
    extract(epoch from claimed.started_at - greatest(claimed.run_at, claimed.created_at))::double precision as "waited?",
    exists (select from paused) as "paused!"
from (select) as always
left join claimed on true
