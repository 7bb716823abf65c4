-- What may be done with jobs, queues and notices, as functions: psql, the gateway, the command line and a program's own
-- code call the same ones.

-- A job that is over stays what it is: to retry it is to submit the same again. What is needed for that is kept with
-- it, and which job that was, so that whoever asks twice gets one.
alter table ringback.job
    add column retry_of uuid;
alter table ringback.job_history
    add column concurrency_key text,
    add column stream boolean not null default false,
    add column retry_of uuid,
    add column retried_as uuid;

-- As before, with what a retry needs.
create or replace function ringback.end_job(
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
        started_at, worker_id, connection_id, session_id, owner, concurrency_key, stream, retry_of, state, error_code,
        error, finished_at
    ) values (
        job.id, job.task, job.task_type, job.queue, job.input, job.priority, job.run_at, job.created_at, job.attempt,
        job.failures, job.crashes, job.max_attempts, job.started_at, job.worker_id, job.connection_id, job.session_id,
        job.owner, job.concurrency_key, job.stream, job.retry_of, end_state, end_code, end_error, clock_timestamp()
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

-- Whether a job is one that somebody may look after: everybody's own, where there is no owner; all of an owner's, where
-- there is no socket; else those of that owner's session or socket, and those that it waits for.
create function ringback.is_theirs(
    job_id uuid, job_owner text, job_session uuid, job_connection uuid,
    of_owner text, of_session uuid, of_connection uuid, waited_for uuid[]
) returns boolean
language sql immutable parallel safe as $$
    select of_owner is null or (
        job_owner = of_owner and (
            of_connection is null or job_connection = of_connection or job_session = of_session
            or job_id = any (waited_for)
        )
    )
$$;

-- Ends the jobs that do not run, and asks the workers of the others to end them; where states are given, only those that
-- are in one of them by then. Answers what became of each that was found: `ended`, `asked`, or `over` with the state that
-- it was in already.
-- Each is locked first: whatever commits before that, such as a success, has been first.
create function ringback.cancel_jobs(
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
                select job.id, job.state in ('running', 'waiting') as runs, job.state,
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

-- Cancels a job: one that waits ends at once, one that runs is asked to end. Answers its state: `cancelled`, or the one
-- that it is still in.
create function ringback.cancel(job uuid) returns text
language plpgsql as $$
declare
    cancelled record;
begin
    begin
        select * into cancelled from ringback.cancel_jobs(array[job]);
    exception when check_violation then
        -- There is no partition for its day, which has long gone.
        perform ringback.make_partitions((ringback.uuid_time(job) at time zone 'UTC')::date);
        select * into cancelled from ringback.cancel_jobs(array[job]);
    end;
    if cancelled.became is null then
        raise exception 'there is no job %', job using errcode = 'no_data_found';
    end if;
    if cancelled.became = 'over' then
        raise exception 'job % is over (%); it cannot be cancelled', job, cancelled.job_state
            using errcode = 'object_not_in_prerequisite_state';
    end if;
    return cancelled.job_state;
end
$$;

-- Gives a job another chance. Answers what became of it, if it was found, with the job that is to be looked at:
-- `due` when it was waiting, and does so no longer than it must; `again` when it had failed or was cancelled, and the
-- same is submitted as a new job, for whoever asks; `known` when somebody has done so before, with that job; `runs` or
-- `over` (it has succeeded) when there is nothing to retry.
create function ringback.retry_job(
    old_job uuid, new_job uuid default null, of_owner text default null, of_session uuid default null,
    of_connection uuid default null, waited_for uuid[] default null, for_gateway uuid default null,
    with_hints boolean default true
) returns table (job_id uuid, became text, job_state text, job_stream boolean)
language plpgsql
set enable_seqscan = off
as $$
declare
    live ringback.job;
    past ringback.job_history;
    known ringback.task;
    by_task boolean;
    by_key boolean;
begin
    select * into live from ringback.job
    where job.id = old_job
        and ringback.is_theirs(
            job.id, job.owner, job.session_id, job.connection_id, of_owner, of_session, of_connection, waited_for
        )
    for update;
    if found then
        if live.state in ('running', 'waiting') then
            return query select live.id, 'runs', live.state, live.stream;
            return;
        end if;
        if live.state = 'scheduled' then
            update ringback.job
            set state = ringback.due_state(job.limited_key, job.limited_task),
                held_for = ringback.due_hold(job.limited_key, job.limited_task),
                run_at = clock_timestamp(),
                rank = ringback.rank(clock_timestamp(), job.priority)
            where job.id = live.id
            returning * into live;
            perform ringback.hint_waiting(live, with_hints);
        end if;
        return query select live.id, 'due', live.state, live.stream;
        return;
    end if;

    select * into past from ringback.job_history as history
    where history.id = old_job
        and ringback.is_theirs(
            history.id, history.owner, history.session_id, history.connection_id,
            of_owner, of_session, of_connection, waited_for
        )
    for update;
    if not found then
        return;
    end if;
    if past.state = 'succeeded' then
        return query select past.id, 'over', past.state, past.stream;
        return;
    end if;
    if past.retried_as is not null then
        return query select past.retried_as, 'known', past.state, past.stream;
        return;
    end if;
    new_job := coalesce(new_job, ringback.uuid_new());
    update ringback.job_history as history set retried_as = new_job where history.id = past.id;

    -- Its task may have changed since, and waits elsewhere or under other limits.
    select * into known from ringback.task where name = past.task;
    by_task := coalesce(known.limits_task, false);
    by_key := coalesce(known.limits_keys, false) and past.concurrency_key is not null;
    insert into ringback.job (
        id, task, task_type, queue, input, priority, max_attempts, connection_id, gateway_id, session_id, owner, run_at,
        created_at, concurrency_key, limited_task, limited_key, stream, retry_of, state, held_for, rank
    ) values (
        new_job, past.task, past.task_type, coalesce(known.queue, past.queue), past.input, past.priority,
        past.max_attempts, of_connection, for_gateway, of_session, past.owner, clock_timestamp(),
        clock_timestamp(), past.concurrency_key, by_task, by_key, past.stream, past.id, ringback.due_state(by_key, by_task), ringback.due_hold(by_key, by_task),
        ringback.rank(clock_timestamp(), past.priority)
    )
    returning * into live;
    perform ringback.hint_waiting(live, with_hints);
    return query select live.id, 'again', live.state, live.stream;
end
$$;

-- Tells the workers of a job that waits for one, or for room.
create function ringback.hint_waiting(job ringback.job, with_hints boolean) returns void
language plpgsql as $$
begin
    if with_hints and job.state = 'held' then
        perform ringback.hint('ringback_ready', 'held');
    elsif with_hints and job.state = 'ready' then
        perform ringback.hint('ringback_ready', job.queue || ' ' || job.rank);
    end if;
end
$$;

-- Gives a job another chance: one that waits for its time is due now; one that has failed or was cancelled is submitted
-- again. Answers the job to look at: the same one, or the new one.
create function ringback.retry(job uuid) returns uuid
language plpgsql as $$
declare
    retried record;
begin
    select * into retried from ringback.retry_job(job);
    if not found then
        raise exception 'there is no job %', job using errcode = 'no_data_found';
    end if;
    if retried.became in ('runs', 'over') then
        raise exception 'job % is not one to retry (%)', job, retried.job_state
            using errcode = 'object_not_in_prerequisite_state',
            hint = 'Those that wait, have failed or were cancelled are.';
    end if;
    return retried.job_id;
end
$$;

-- As before, with `stream`. Another list of parameters is another function, and two would be one too many.
drop function ringback.enqueue(
    text, text, jsonb, interval, timestamptz, integer, integer, text, text, interval, text
);

-- Adds a job in the transaction that calls it, and answers its id: it is there if that commits, and only then.
-- Like the gateways, it takes the task called `default` for a name that is not known, where there is one.
create function ringback.enqueue(
    task text,
    content text default null,
    -- Instead of a text.
    input jsonb default null,
    -- Not before this time from now, or this time of the day.
    delay interval default null,
    run_at timestamptz default null,
    -- Each step is worth a minute of waiting.
    priority integer default 0,
    max_attempts integer default null,
    concurrency_key text default null,
    -- Whoever asks again with the same key is given the same job, for as long as it is kept.
    idempotency_key text default null,
    keep_key interval default interval '24 hours',
    owner text default 'anonymous',
    -- Whether whoever follows it wants to hear of it while it runs.
    stream boolean default false
) returns uuid
language plpgsql
set enable_seqscan = off
as $$
declare
    known ringback.task;
    job ringback.job;
    hash bytea;
    earlier record;
begin
    if (enqueue.content is null) = (enqueue.input is null) then
        raise exception 'a job needs either content or input'
            using errcode = 'invalid_parameter_value',
            hint = 'select ringback.enqueue(''translate'', content => ''hello'')';
    end if;
    if enqueue.concurrency_key = '' or enqueue.idempotency_key = '' then
        raise exception 'a key is not empty; leave it out, or give null' using errcode = 'invalid_parameter_value';
    end if;
    if enqueue.delay is not null and enqueue.run_at is not null then
        raise exception 'a job has either a delay or a run_at' using errcode = 'invalid_parameter_value';
    end if;
    if enqueue.delay < interval '0' then
        raise exception 'the delay % is negative', enqueue.delay using errcode = 'invalid_parameter_value';
    end if;
    if enqueue.max_attempts < 1 then
        raise exception 'max_attempts is %, and must be at least 1', enqueue.max_attempts
            using errcode = 'invalid_parameter_value';
    end if;
    if enqueue.stream is null then
        raise exception 'stream is true or false' using errcode = 'invalid_parameter_value';
    end if;
    if enqueue.priority is null or enqueue.priority not between -32768 and 32767 then
        raise exception 'the priority must be from -32768 to 32767' using errcode = 'invalid_parameter_value';
    end if;
    select * into known from ringback.task where name = enqueue.task;
    if not found then
        select * into known from ringback.task where name = 'default';
    end if;
    if not found then
        raise exception 'no task is called %', enqueue.task
            using errcode = 'undefined_object',
            hint = 'A task is known once a worker or a gateway that has it was started; select name from ringback.task lists them.';
    end if;

    job.id := ringback.uuid_new();
    job.task := known.name;
    job.task_type := enqueue.task;
    job.queue := known.queue;
    job.input := coalesce(enqueue.input, to_jsonb(enqueue.content));
    job.priority := enqueue.priority;
    job.max_attempts := coalesce(enqueue.max_attempts, known.max_attempts);
    job.run_at := coalesce(enqueue.run_at, clock_timestamp() + coalesce(enqueue.delay, interval '0'));
    job.concurrency_key := enqueue.concurrency_key;
    job.limited_task := known.limits_task;
    job.limited_key := known.limits_keys and enqueue.concurrency_key is not null;
    job.owner := enqueue.owner;
    job.state := 'scheduled';
    if job.run_at <= clock_timestamp() then
        job.state := ringback.due_state(job.limited_key, job.limited_task);
        job.held_for := ringback.due_hold(job.limited_key, job.limited_task);
    end if;

    if enqueue.idempotency_key is not null then
        hash := ringback.request_hash(
            job.task_type, job.input, job.priority, enqueue.run_at, enqueue.delay, enqueue.max_attempts,
            job.concurrency_key, enqueue.stream
        );
        insert into ringback.idempotency as kept (owner, key, job_id, request, expires_at)
        values (job.owner, enqueue.idempotency_key, job.id, hash, now() + enqueue.keep_key)
        on conflict on constraint idempotency_pkey do update set
            job_id = case when kept.expires_at < now() then excluded.job_id else kept.job_id end,
            request = case when kept.expires_at < now() then excluded.request else kept.request end,
            expires_at = case when kept.expires_at < now() then excluded.expires_at else kept.expires_at end
        returning kept.job_id, kept.request into earlier;
        if earlier.job_id <> job.id then
            if earlier.request <> hash then
                raise exception 'the idempotency key % was used before, for another request', enqueue.idempotency_key
                    using errcode = 'unique_violation';
            end if;
            return earlier.job_id;
        end if;
    end if;

    insert into ringback.job (
        id, task, task_type, queue, input, priority, max_attempts, run_at, concurrency_key, limited_task, limited_key,
        owner, stream, created_at, state, held_for, rank
    ) values (
        job.id, job.task, job.task_type, job.queue, job.input, job.priority, job.max_attempts, job.run_at,
        job.concurrency_key, job.limited_task, job.limited_key, job.owner, enqueue.stream,
        -- When it was asked for, and not when the transaction began.
        clock_timestamp(), job.state, job.held_for, ringback.rank(job.run_at, job.priority)
    );
    job.rank := ringback.rank(job.run_at, job.priority);
    perform ringback.hint_waiting(job, true);
    return job.id;
end
$$;

-- Sends a notice to everyone in a group, and keeps it for sessions that come back; answers its number.
create function ringback.notify(
    content text, ttl interval default interval '1 hour', to_group text default 'system',
    with_hints boolean default true
) returns bigint
language plpgsql as $$
declare
    taken bigint;
begin
    if content is null then
        raise exception 'a notice needs a content' using errcode = 'invalid_parameter_value';
    end if;
    -- The row is the lock that makes the order.
    insert into ringback.notice_group as numbered (name, last_number) values (to_group, 1)
    on conflict (name) do update set last_number = numbered.last_number + 1
    returning last_number into taken;
    insert into ringback.notice ("group", number, content, expires_at)
    values (to_group, taken, notify.content, clock_timestamp() + ttl);
    if with_hints then
        perform ringback.hint('ringback_notice', to_group);
    end if;
    return taken;
end
$$;

-- Pauses a queue: from the next claim on, no worker takes a job of it. What runs goes on.
create function ringback.pause(queue text) returns void
language plpgsql
set enable_seqscan = off
as $$
begin
    if not exists (
        select from ringback.task where task.queue = pause.queue
        union all
        select from ringback.queue as known where known.name = pause.queue
        union all
        select from ringback.job where job.queue = pause.queue and job.state = 'ready'
    ) then
        raise exception 'no queue is called %', pause.queue
            using errcode = 'no_data_found',
            hint = 'A queue is known once jobs wait in it, or a worker or a gateway whose tasks use it was started.';
    end if;
    insert into ringback.queue as known (name, paused_at) values (pause.queue, clock_timestamp())
    on conflict (name) do update set paused_at = coalesce(known.paused_at, excluded.paused_at);
end
$$;

-- Lets a paused queue go on. One without a row is open.
create function ringback.resume(queue text, with_hints boolean default true) returns void
language sql as $$
    with resumed as (
        delete from ringback.queue as known
        where known.name = resume.queue
        returning known.name
    )
    select ringback.hint('ringback_ready', resumed.name || ' -9223372036854775808') from resumed where with_hints
$$;

-- With what a job is a retry of, and what it was retried as; views take new columns at their end. One that is not due
-- has not waited.
create or replace view ringback.jobs as
select
    id, connection_id, session_id, owner, task, task_type,
    input #>> '{}' as content,
    state,
    null::text as result,
    null::text as error,
    attempt as attempts,
    created_at as queued_at,
    started_at,
    null::timestamptz as finished_at,
    greatest(coalesce(started_at, now()) - greatest(created_at, run_at), interval '0') as waited,
    now() - started_at as ran,
    retry_of,
    null::uuid as retried_as
from ringback.job
union all
select
    id, connection_id, session_id, owner, task, task_type,
    input #>> '{}',
    state,
    result #>> '{}',
    error,
    attempt,
    created_at,
    started_at,
    finished_at,
    greatest(coalesce(started_at, finished_at) - greatest(created_at, run_at), interval '0'),
    finished_at - started_at,
    retry_of,
    retried_as
from ringback.job_history;

-- How long jobs waited: of those that were started.
create or replace view ringback.latency_by_task as
select
    task,
    count(*) as finished,
    count(*) filter (where state = 'failed') as failed,
    percentile_cont(0.5) within group (order by started_at - greatest(created_at, run_at)) as waited_p50,
    percentile_cont(0.95) within group (order by started_at - greatest(created_at, run_at)) as waited_p95,
    percentile_cont(0.5) within group (order by finished_at - started_at) as ran_p50,
    percentile_cont(0.95) within group (order by finished_at - started_at) as ran_p95
from ringback.job_history
where id >= ringback.uuid_floor(now() - interval '1 hour')
group by task;
