-- Puts claimed jobs back: after a failure that may be tried again, or handed back by a worker that is stopping. One that
-- was asked to end has ended. $1..$6 are columns, a row each: the delay is in seconds, and a null outcome is a job that
-- never started, which leaves no trace and is not an attempt. $7 says whether to hint.
with given as materialized (
    select id, claim_id, outcome, error_code, error, make_interval(secs => delay) as delay
    from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::double precision[])
        as given (id, claim_id, outcome, error_code, error, delay)
), held as materialized (
    select mine.*, given.outcome, given.error_code, given.error, given.delay
    from (select * from given order by id) as given
    cross join lateral (
        select job.id, job.attempt, job.worker_id, job.started_at, job.cancel_requested_at is not null as over,
            job.limited_key or job.limited_task as limited
        from ringback.job
        where job.id = given.id and job.claim_id = given.claim_id
        for update
    ) as mine
), put as (
    update ringback.job
    set state = case
            when held.delay > interval '0' then 'scheduled'
            else ringback.due_state(job.limited_key, job.limited_task)
        end,
        -- What is limited has left its room, and waits for some again.
        held_for = case when held.delay <= interval '0' then ringback.due_hold(job.limited_key, job.limited_task) end,
        run_at = case when held.delay > interval '0' then now() + held.delay else job.run_at end,
        rank = case when held.delay > interval '0' then ringback.rank(now() + held.delay, job.priority) else job.rank end,
        attempt = job.attempt - case when held.outcome is null then 1 else 0 end,
        failures = job.failures + case when held.outcome = 'failed' then 1 else 0 end,
        claim_id = null,
        worker_id = null,
        started_at = null,
        progress = null
    from held
    where job.id = any (array(select id from held where not over)) and job.id = held.id
    returning job.queue, job.rank, job.state
), ended as (
    delete from ringback.job
    where job.id = any (array(select id from held where over))
    returning job, job.id, job.attempt
), recorded as materialized (
    select ringback.end_job(
        case when held.outcome is not null then ended.job else jsonb_populate_record(
            ended.job, jsonb_build_object('attempt', ended.attempt - 1, 'started_at', null, 'worker_id', null)
        ) end,
        'cancelled', 'cancelled', 'the job was cancelled', $7::boolean
    )
    from ended
    join held using (id)
), told as (
    insert into ringback.job_attempt (job_id, attempt, worker_id, started_at, ended_at, outcome, error_code, error)
    select id, attempt, worker_id, started_at, clock_timestamp(), outcome, error_code, error
    from held
    where outcome is not null and not over
    on conflict (job_id, attempt) do nothing
), hinted as (
    select ringback.hint('ringback_ready', queue || ' ' || min(rank))
    from put
    where $7::boolean and state = 'ready'
    group by queue
    union all
    select ringback.hint('ringback_ready', 'held')
    where $7::boolean and exists (select from held where limited)
)
select
    (select count(*) from put) + (select count(*) from recorded) as "put!",
    (select count(*) from hinted) as "hinted!"
