-- Puts claimed jobs back: after a failure that may be tried again, or handed back by a worker that is stopping.
-- $1..$6 are columns, a row each: the delay is in seconds, and a null outcome is a job that never started, which leaves
-- no trace and is not an attempt. $7 says whether to hint.
with given as materialized (
    select id, claim_id, outcome, error_code, error, make_interval(secs => delay) as delay
    from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::double precision[])
        as given (id, claim_id, outcome, error_code, error, delay)
), held as materialized (
    select mine.*, given.outcome, given.error_code, given.error, given.delay
    from (select * from given order by id) as given
    cross join lateral (
        select job.id, job.attempt, job.worker_id, job.started_at
        from ringback.job
        where job.id = given.id and job.claim_id = given.claim_id
        for update
    ) as mine
), put as (
    update ringback.job
    set state = case when held.delay > interval '0' then 'scheduled' else 'ready' end,
        run_at = case when held.delay > interval '0' then now() + held.delay else job.run_at end,
        rank = case when held.delay > interval '0' then ringback.rank(now() + held.delay, job.priority) else job.rank end,
        attempt = job.attempt - case when held.outcome is null then 1 else 0 end,
        failures = job.failures + case when held.outcome = 'failed' then 1 else 0 end,
        claim_id = null,
        worker_id = null,
        started_at = null
    from held
    where job.id = any (array(select id from held)) and job.id = held.id
    returning job.queue, job.rank, job.state
), told as (
    insert into ringback.job_attempt (job_id, attempt, worker_id, started_at, ended_at, outcome, error_code, error)
    select id, attempt, worker_id, started_at, clock_timestamp(), outcome, error_code, error
    from held
    where outcome is not null
    on conflict (job_id, attempt) do nothing
), hinted as (
    select ringback.hint('ringback_ready', queue || ' ' || min(rank))
    from put
    where $7::boolean and state = 'ready'
    group by queue
)
select count(*) as "put!", (select count(*) from hinted) as "hinted!" from put
