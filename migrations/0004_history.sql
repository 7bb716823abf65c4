-- Finished jobs, and every attempt that did not finish its job, one partition for each day (UTC) of the job's id.
-- The primary key makes a second result impossible.

create table ringback.job_history (
    id uuid primary key,
    task text not null,
    task_type text not null,
    queue text not null,
    input jsonb not null,
    state text not null
        constraint job_history_state_known check (state in ('succeeded', 'failed', 'cancelled')),
    result jsonb,
    error_code text,
    error text,
    priority smallint not null,
    run_at timestamptz not null,
    created_at timestamptz not null,
    attempt integer not null,
    failures integer not null,
    crashes integer not null,
    max_attempts integer not null,
    -- Of the last attempt; null when the job ended without one running.
    started_at timestamptz,
    worker_id uuid,
    finished_at timestamptz not null,
    connection_id uuid,
    session_id uuid,
    owner text not null,
    constraint job_history_says_why check ((state = 'succeeded') = (error_code is null))
) partition by range (id);

create index job_history_created on ringback.job_history (created_at);

create table ringback.job_attempt (
    job_id uuid not null,
    attempt integer not null,
    worker_id uuid,
    started_at timestamptz,
    ended_at timestamptz not null,
    -- `failed` counts against the job's attempts, `crashed` (its worker was lost) against three,
    -- `returned` (handed back by a worker that was stopping) against nothing.
    outcome text not null
        constraint job_attempt_outcome_known check (outcome in ('failed', 'crashed', 'returned')),
    error_code text,
    error text,
    primary key (job_id, attempt)
) partition by range (job_id);

-- Makes the partitions of one day, of both tables.
-- A table is made beside its parent and then attached, which waits for no reader and no writer of the parent;
-- `create table … partition of` would wait for every open reader, and everybody else for it.
-- There is no default partition, because it would have to be locked and searched at every attach.
create function ringback.make_partitions(day date) returns void
language plpgsql as $$
declare
    parent text;
    part text;
    lower_bound uuid := ringback.uuid_floor(day::timestamp at time zone 'UTC');
    upper_bound uuid := ringback.uuid_floor((day + 1)::timestamp at time zone 'UTC');
begin
    -- Two makers of one day must not meet.
    perform pg_advisory_xact_lock(hashtextextended('ringback.partitions', 0));
    foreach parent in array array['job_history', 'job_attempt'] loop
        part := parent || '_' || to_char(day, 'YYYYMMDD');
        if to_regclass('ringback.' || part) is null then
            execute format('create table ringback.%I (like ringback.%I including all)', part, parent);
        end if;
        -- It may also be one that was let go, and that a reader has kept from being dropped.
        if not (select relispartition from pg_class where oid = to_regclass('ringback.' || part)) then
            execute format(
                'alter table ringback.%I attach partition ringback.%I for values from (%L) to (%L)',
                parent, part, lower_bound, upper_bound);
        end if;
    end loop;
end
$$;

-- From yesterday, for a clock that was behind, to a week ahead.
create function ringback.make_partitions_ahead() returns void
language sql as $$
    select ringback.make_partitions(day::date)
    from generate_series((now() at time zone 'UTC')::date - 1, (now() at time zone 'UTC')::date + 7, interval '1 day') day
    where to_regclass('ringback.job_attempt_' || to_char(day, 'YYYYMMDD')) is null
$$;

select ringback.make_partitions_ahead();
