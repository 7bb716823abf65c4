-- Submitting jobs from SQL: a trigger, a psql session, any program's own transaction.

-- Whether whoever asked wants to hear of the job while it runs: its progress, and its text piece by piece.
alter table ringback.job add column stream boolean not null default false;

-- A new UUIDv7: the first 48 bits are milliseconds since 1970 by the database's clock, the others are random but for
-- the version, whose bits 52 and 53 make a 7 of the 4 of a random UUID.
create function ringback.uuid_new() returns uuid
language sql volatile parallel safe as $$
    select encode(
        set_bit(set_bit(overlay(
            uuid_send(gen_random_uuid())
            placing substring(int8send((extract(epoch from clock_timestamp()) * 1000)::bigint) from 3)
            from 1 for 6
        ), 52, 1), 53, 1),
        'hex'
    )::uuid
$$;

-- What was asked for, in 32 bytes: the same key for something else is a conflict.
-- What is absent does not count, so that it stays the same when there is more to be asked for.
create function ringback.request_hash(
    task_type text, input jsonb, priority integer, due_at timestamptz, delay interval, max_attempts integer,
    concurrency_key text, stream boolean
) returns bytea
language sql stable parallel safe as $$
    select sha256(convert_to(
        (
            jsonb_build_array(task_type, input, priority)
            || case
                when due_at is null and delay is null and max_attempts is null and concurrency_key is null and not stream
                    then '[]'
                else jsonb_build_array(jsonb_strip_nulls(jsonb_build_object(
                    'due_at', extract(epoch from due_at), 'delay', extract(epoch from delay),
                    'max_attempts', max_attempts, 'concurrency_key', concurrency_key, 'stream', stream
                )))
            end
        )::text,
        'UTF8'
    ))
$$;

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
    owner text default 'anonymous'
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
            job.concurrency_key, false
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
        owner, state, held_for, rank
    ) values (
        job.id, job.task, job.task_type, job.queue, job.input, job.priority, job.max_attempts, job.run_at,
        job.concurrency_key, job.limited_task, job.limited_key, job.owner, job.state, job.held_for,
        ringback.rank(job.run_at, job.priority)
    );
    if job.state = 'held' then
        perform ringback.hint('ringback_ready', 'held');
    elsif job.state = 'ready' then
        perform ringback.hint('ringback_ready', job.queue || ' ' || ringback.rank(job.run_at, job.priority));
    end if;
    return job.id;
end
$$;
