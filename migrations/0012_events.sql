-- What running jobs say, piece by piece. Their latest progress is in `job.progress`.

create table ringback.job_event (
    job_id uuid not null,
    attempt integer not null,
    -- Given by the one worker that holds the claim, from 1.
    seq integer not null,
    text text not null,
    recorded_at timestamptz not null default clock_timestamp(),
    primary key (job_id, attempt, seq)
) partition by range (job_id);

-- As before, for three tables.
create or replace function ringback.make_partitions(day date) returns void
language plpgsql as $$
declare
    parent text;
    part text;
    lower_bound uuid := ringback.uuid_floor(day::timestamp at time zone 'UTC');
    upper_bound uuid := ringback.uuid_floor((day + 1)::timestamp at time zone 'UTC');
begin
    perform pg_advisory_xact_lock(hashtextextended('ringback.partitions', 0));
    foreach parent in array array['job_history', 'job_attempt', 'job_event'] loop
        part := parent || '_' || to_char(day, 'YYYYMMDD');
        if to_regclass('ringback.' || part) is null then
            execute format('create table ringback.%I (like ringback.%I including all)', part, parent);
        end if;
        if not (select relispartition from pg_class where oid = to_regclass('ringback.' || part)) then
            execute format(
                'alter table ringback.%I attach partition ringback.%I for values from (%L) to (%L)',
                parent, part, lower_bound, upper_bound);
        end if;
    end loop;
end
$$;

create or replace function ringback.make_partitions_ahead() returns void
language sql as $$
    select ringback.make_partitions(day::date)
    from generate_series((now() at time zone 'UTC')::date - 1, (now() at time zone 'UTC')::date + 7, interval '1 day') day
    where to_regclass('ringback.job_event_' || to_char(day, 'YYYYMMDD')) is null
$$;

select ringback.make_partitions_ahead();
