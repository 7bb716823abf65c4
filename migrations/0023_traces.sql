-- The trace that a job is a part of, so that whoever works on it goes on with what its client has begun.

alter table ringback.job
    -- As W3C Trace Context writes it. Only some jobs have one.
    add column traceparent text constraint job_traceparent_is_one
        check (traceparent ~ '^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$');
alter table ringback.job_history add column traceparent text;
-- In the same transaction, and the same order, as above.
alter table ringback.expired_history add column traceparent text;

-- As before, with the trace.
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
        started_at, worker_id, connection_id, session_id, owner, concurrency_key, stream, retry_of, traceparent, state,
        error_code, error, finished_at
    ) values (
        job.id, job.task, job.task_type, job.queue, job.input, job.priority, job.run_at, job.created_at, job.attempt,
        job.failures, job.crashes, job.max_attempts, job.started_at, job.worker_id, job.connection_id, job.session_id,
        job.owner, job.concurrency_key, job.stream, job.retry_of, job.traceparent, end_state, end_code, end_error,
        clock_timestamp()
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

-- As before, with the trace: another chance is a part of the same one.
create or replace function ringback.retry_job(
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
        created_at, concurrency_key, limited_task, limited_key, stream, retry_of, traceparent, state, held_for,
        rank
    ) values (
        new_job, past.task, past.task_type, coalesce(known.queue, past.queue), past.input, past.priority,
        past.max_attempts, of_connection, for_gateway, of_session, past.owner, clock_timestamp(),
        clock_timestamp(), past.concurrency_key, by_task, by_key, past.stream, past.id, past.traceparent,
        ringback.due_state(by_key, by_task), ringback.due_hold(by_key, by_task),
        ringback.rank(clock_timestamp(), past.priority)
    )
    returning * into live;
    perform ringback.hint_waiting(live, with_hints);
    return query select live.id, 'again', live.state, live.stream;
end
$$;

-- As before, with `traceparent`. Another list of parameters is another function, and two would be one too many.
drop function ringback.enqueue(
    text, text, jsonb, interval, timestamptz, integer, integer, text, text, interval, text, boolean
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
    stream boolean default false,
    -- The trace that it is a part of (W3C Trace Context).
    traceparent text default null
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
    if enqueue.traceparent !~ '^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$' then
        raise exception 'the traceparent % is not one of W3C Trace Context', enqueue.traceparent
            using errcode = 'invalid_parameter_value',
            hint = 'Such as 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01.';
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
        owner, stream, traceparent, created_at, state, held_for, rank
    ) values (
        job.id, job.task, job.task_type, job.queue, job.input, job.priority, job.max_attempts, job.run_at,
        job.concurrency_key, job.limited_task, job.limited_key, job.owner, enqueue.stream, enqueue.traceparent,
        -- When it was asked for, and not when the transaction began.
        clock_timestamp(), job.state, job.held_for, ringback.rank(job.run_at, job.priority)
    );
    job.rank := ringback.rank(job.run_at, job.priority);
    perform ringback.hint_waiting(job, true);
    return job.id;
end
$$;
