-- Tasks that are HTTP functions.

alter table ringback.worker
    -- The tasks that it has paused, since the functions do not answer: task, failures (in a row), until.
    add column circuits jsonb not null default '[]';

-- A job whose function has answered that it will call back waits for that, without a worker: it keeps its claim, which
-- fences what is said about it, and the id of the worker that called, which may be gone.
alter table ringback.job
    -- The hash of what whoever calls back has to know, and the claim that it was given to: good for that one alone.
    add column callback_hash bytea,
    add column callback_claim uuid;

-- Who has not been called back in time.
create index job_waiting on ringback.job (deadline) where state = 'waiting';

-- As before, but that nobody runs a job that waits to be called back: it ends at once.
create or replace function ringback.cancel_jobs(
    ids uuid[], of_owner text default null, of_session uuid default null, of_connection uuid default null,
    waited_for uuid[] default null, in_states text[] default null, with_hints boolean default true
) returns table (job_id uuid, became text, job_state text)
language plpgsql
set enable_seqscan = off
as $$
declare
    looked uuid[] := '{}';
begin
    for job_id, became, job_state in
        with found as materialized (
            select mine.*
            from (select distinct wanted.id from unnest(ids) as wanted (id) order by wanted.id) as wanted
            cross join lateral (
                select job.id, job.state = 'running' as runs, job.state,
                    job.limited_key or job.limited_task as limited
                from ringback.job
                where job.id = wanted.id
                    and (in_states is null or job.state = any (in_states))
                    and ringback.is_theirs(
                        job.id, job.owner, job.session_id, job.connection_id,
                        of_owner, of_session, of_connection, waited_for
                    )
                for update
            ) as mine
        ), ended as (
            delete from ringback.job
            where job.id = any (array(select found.id from found where not found.runs))
            returning job, job.id
        ), recorded as materialized (
            select ringback.end_job(ended.job, 'cancelled', 'cancelled', 'the job was cancelled', with_hints) from ended
        ), asked as (
            update ringback.job
            set cancel_requested_at = coalesce(job.cancel_requested_at, clock_timestamp())
            where job.id = any (array(select found.id from found where found.runs))
            returning job.id, job.worker_id
        ), hinted as (
            select ringback.hint('ringback_cancel', paged.worker_id || ' ' || string_agg(paged.id::text, ' '))
            from (
                select asked.id, asked.worker_id, (row_number() over (partition by asked.worker_id) - 1) / 100 as page
                from asked
            ) as paged
            where with_hints
            group by paged.worker_id, paged.page
            union all
            select ringback.hint('ringback_ready', 'held')
            where with_hints and exists (select from found where found.limited and not found.runs)
        )
        select found.id, case when found.runs then 'asked' else 'ended' end,
            case when found.runs then found.state else 'cancelled' end
        from found
        where (select count(*) from recorded) + (select count(*) from asked) + (select count(*) from hinted) >= 0
    loop
        looked := looked || job_id;
        return next;
    end loop;
    -- Only now: what was ending a job while we waited for it is seen to have done so.
    return query
        select past.id, 'over', past.state
        from (select distinct wanted.id from unnest(ids) as wanted (id) where wanted.id <> all (looked)) as wanted
        cross join lateral (
            select history.id, history.state
            from ringback.job_history as history
            where history.id = wanted.id
                and ringback.is_theirs(
                    history.id, history.owner, history.session_id, history.connection_id,
                    of_owner, of_session, of_connection, waited_for
                )
            offset 0
        ) as past;
end
$$;
