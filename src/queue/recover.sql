-- Takes back the jobs of workers that have been silent for $1 seconds. One that has now lost its worker for the $2th
-- time ends as failed, and one that was asked to end as cancelled; the others are ready again, in their old place, or
-- held where their task is limited. At most $3 at a time; one process at a time; $4 says whether to hint.
with turn as materialized (
    select pg_try_advisory_xact_lock(hashtextextended('ringback.recover', 0)) as got
), silent as materialized (
    select worker.id, worker.host, worker.pid
    from turn, ringback.worker
    where turn.got
        -- One that is gone may have left a job all the same: a claim of its own that was committed after it.
        and (
            worker.gone_at is null
            or exists (select from ringback.job where job.worker_id = worker.id and job.state = 'running')
        )
        and worker.beat_at < clock_timestamp() - make_interval(secs => $1::double precision)
        and pg_postmaster_start_time() < clock_timestamp() - make_interval(secs => $1::double precision)
), orphan as materialized (
    select taken.*, silent.host, silent.pid,
        taken.cancel_requested_at is not null or taken.crashes + 1 >= $2::integer as over
    from silent
    cross join lateral (
        select job.*
        from ringback.job
        where job.worker_id = silent.id and job.state = 'running'
        order by job.id
        limit $3::bigint
        for update skip locked
    ) as taken
), gone as (
    -- Nothing of it is left: it is not looked at again unless it beats again.
    update ringback.worker
    set gone_at = clock_timestamp()
    from silent
    where worker.id = silent.id
        and not exists (
            select from ringback.job where job.worker_id = silent.id and job.state = 'running'
        )
    returning worker.id
), put as (
    update ringback.job
    set state = ringback.due_state(job.limited_key, job.limited_task),
        held_for = ringback.due_hold(job.limited_key, job.limited_task),
        crashes = job.crashes + 1, claim_id = null, worker_id = null, started_at = null, progress = null
    where job.id = any (array(select id from orphan where not over))
    returning job.queue, job.rank, job.state
), ended as (
    delete from ringback.job
    where job.id = any (array(select id from orphan where over))
    returning job, job.crashes, job.cancel_requested_at
), recorded as materialized (
    select ringback.end_job(
        jsonb_populate_record(ended.job, jsonb_build_object('crashes', crashes + 1)),
        case when cancel_requested_at is null then 'failed' else 'cancelled' end,
        case when cancel_requested_at is null then 'worker_lost' else 'cancelled' end,
        case when cancel_requested_at is null
            then format('its worker was lost %s times', crashes + 1)
            else 'the job was cancelled'
        end,
        $4::boolean
    )
    from ended
), told as (
    insert into ringback.job_attempt (job_id, attempt, worker_id, started_at, ended_at, outcome, error_code, error)
    select id, attempt, worker_id, started_at, clock_timestamp(), 'crashed', 'worker_lost',
        format('worker %s on %s was silent', pid, host)
    from orphan
    where not over
    on conflict (job_id, attempt) do nothing
), hinted as (
    select ringback.hint('ringback_ready', queue || ' ' || min(rank))
    from put
    where $4::boolean and state = 'ready'
    group by queue
    union all
    select ringback.hint('ringback_ready', 'held')
    from orphan
    where $4::boolean and (limited_task or limited_key)
)
select
    (select count(*) from put) as "put_back!",
    (select count(*) from recorded) as "ended!",
    (select count(*) from gone) as "workers_gone!",
    (select count(*) from hinted) as "hinted!"
