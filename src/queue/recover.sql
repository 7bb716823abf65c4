-- Takes back the jobs of workers that have been silent for $1 seconds. One that has now lost its worker for the $2th
-- time ends as failed; the others are ready again, in their old place. At most $3 at a time; one process at a time.
with turn as materialized (
    select pg_try_advisory_xact_lock(hashtextextended('ringback.recover', 0)) as got
), silent as materialized (
    select worker.id, worker.host, worker.pid
    from turn, ringback.worker
    where turn.got
        -- One that is gone may have left a job all the same: a claim of its own that was committed after it.
        and (
            worker.gone_at is null
            or exists (select from ringback.job where job.worker_id = worker.id and job.state in ('running', 'waiting'))
        )
        and worker.beat_at < clock_timestamp() - make_interval(secs => $1::double precision)
        and pg_postmaster_start_time() < clock_timestamp() - make_interval(secs => $1::double precision)
), orphan as materialized (
    select taken.*, silent.host, silent.pid, taken.crashes + 1 >= $2::integer as over
    from silent
    cross join lateral (
        select job.*
        from ringback.job
        where job.worker_id = silent.id and job.state in ('running', 'waiting')
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
            select from ringback.job where job.worker_id = silent.id and job.state in ('running', 'waiting')
        )
    returning worker.id
), put as (
    update ringback.job
    set state = 'ready', crashes = job.crashes + 1, claim_id = null, worker_id = null, started_at = null
    where job.id = any (array(select id from orphan where not over))
    returning job.queue, job.rank
), ended as (
    delete from ringback.job
    where job.id = any (array(select id from orphan where over))
    returning job.*
), recorded as (
    insert into ringback.job_history (
        id, task, task_type, queue, input, priority, run_at, created_at, attempt, failures, crashes, max_attempts,
        started_at, worker_id, connection_id, session_id, owner, state, result, error_code, error, finished_at
    )
    select
        id, task, task_type, queue, input, priority, run_at, created_at, attempt, failures, crashes + 1, max_attempts,
        started_at, worker_id, connection_id, session_id, owner, 'failed', null, 'worker_lost',
        format('its worker was lost %s times', crashes + 1), clock_timestamp()
    from ended
    on conflict (id) do nothing
), told as (
    insert into ringback.job_attempt (job_id, attempt, worker_id, started_at, ended_at, outcome, error_code, error)
    select id, attempt, worker_id, started_at, clock_timestamp(), 'crashed', 'worker_lost',
        format('worker %s on %s was silent', pid, host)
    from orphan
    where not over
    on conflict (job_id, attempt) do nothing
), addressed as materialized (
    -- To where their sessions are now; looked up one by one, since two lists joined may meet as each with each.
    select ended.id, home.id as session_id, coalesce(home.gateway_id, ended.gateway_id) as gateway_id
    from ended
    left join lateral (
        select session.id, session.gateway_id from ringback.session where session.id = ended.session_id offset 0
    ) as home on true
), mailed as (
    insert into ringback.mailbox (session_id, job_id)
    select session_id, id from addressed where session_id is not null
    on conflict do nothing
), hinted as (
    select ringback.hint('ringback_ready', queue || ' ' || min(rank)) from put where $4::boolean group by queue
    union all
    select ringback.hint('ringback_done_' || replace(gateway_id::text, '-', ''), id::text)
    from addressed
    where $4::boolean and gateway_id is not null
)
select
    (select count(*) from put) as "put_back!",
    (select count(*) from ended) as "ended!",
    (select count(*) from gone) as "workers_gone!",
    (select count(*) from hinted) as "hinted!"
