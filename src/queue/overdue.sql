-- Fails the attempts of jobs that have waited in vain to be called back, at most $1 at a time: they are tried again after
-- their task's delay, or have failed. $2 says whether to hint.
with overdue as materialized (
    select job.*, job.cancel_requested_at is not null or job.failures + 1 >= job.max_attempts as over,
        interval '1 millisecond' + random() * least(
            coalesce(job.retry_longest, interval '10 minutes'),
            coalesce(job.retry_first, interval '2 seconds') * 2 ^ least(job.failures, 20)
        ) as delay
    from ringback.job
    where job.state = 'waiting' and job.deadline <= clock_timestamp()
    order by job.deadline
    limit $1::bigint
    for update skip locked
), put as (
    update ringback.job
    set state = 'scheduled', run_at = now() + overdue.delay, rank = ringback.rank(now() + overdue.delay, job.priority),
        failures = job.failures + 1, claim_id = null, worker_id = null, started_at = null, progress = null,
        deadline = null
    from overdue
    where job.id = any (array(select id from overdue where not over)) and job.id = overdue.id
    returning job.id
), ended as (
    delete from ringback.job
    where job.id = any (array(select id from overdue where over))
    returning job, job.failures, job.cancel_requested_at
), recorded as materialized (
    select ringback.end_job(
        case when cancel_requested_at is null
            then jsonb_populate_record(ended.job, jsonb_build_object('failures', failures + 1))
            else ended.job
        end,
        case when cancel_requested_at is null then 'failed' else 'cancelled' end,
        case when cancel_requested_at is null then 'callback_timeout' else 'cancelled' end,
        case when cancel_requested_at is null then 'nobody called back in time' else 'the job was cancelled' end,
        $2::boolean
    )
    from ended
), told as (
    insert into ringback.job_attempt (job_id, attempt, worker_id, started_at, ended_at, outcome, error_code, error)
    select id, attempt, worker_id, started_at, clock_timestamp(), 'failed', 'callback_timeout',
        'nobody called back in time'
    from overdue
    where not over
    on conflict (job_id, attempt) do nothing
), hinted as (
    select ringback.hint('ringback_ready', 'held')
    where $2::boolean and exists (select from overdue where limited_task or limited_key)
)
select
    (select count(*) from put) + (select count(*) from recorded) as "moved!",
    (select count(*) from hinted) as "hinted!"
