-- Jobs that end without a result of their own: cancelled, or given up with their worker.

-- Only what runs is asked to end (`cancel_requested_at`); everything else is ended at once. There is no constraint that
-- says so: an update of a row that has just been claimed is first checked against the row as it was before the claim.

-- Puts a job that has just left the live table into the history and into the mailbox of its session, and tells its
-- gateway.
create function ringback.end_job(
    job ringback.job, end_state text, end_code text, end_error text, with_hints boolean
) returns void
language plpgsql
set enable_seqscan = off
as $$
declare
    home ringback.session;
    gateway uuid := job.gateway_id;
begin
    insert into ringback.job_history (
        id, task, task_type, queue, input, priority, run_at, created_at, attempt, failures, crashes, max_attempts,
        started_at, worker_id, connection_id, session_id, owner, state, error_code, error, finished_at
    ) values (
        job.id, job.task, job.task_type, job.queue, job.input, job.priority, job.run_at, job.created_at, job.attempt,
        job.failures, job.crashes, job.max_attempts, job.started_at, job.worker_id, job.connection_id, job.session_id,
        job.owner, end_state, end_code, end_error, clock_timestamp()
    )
    on conflict (id) do nothing;
    select * into home from ringback.session where id = job.session_id;
    if found then
        insert into ringback.mailbox (session_id, job_id) values (home.id, job.id) on conflict do nothing;
        gateway := coalesce(home.gateway_id, gateway);
    end if;
    if with_hints and gateway is not null then
        perform ringback.hint('ringback_done_' || replace(gateway::text, '-', ''), job.id::text);
    end if;
end
$$;
