-- How many jobs of a task, or of one key of a task, may run at once, and how many may start within a time.
--
-- A job that a limit may stop waits as `held`, which no claim ever looks at: first for its key, then for its task.
-- It is let through when there is room, and takes part of the room from then until its attempt has ended. So the claim
-- knows nothing of limits, and is as fast with a hundred thousand jobs held as with none.

alter table ringback.task
    add column concurrency integer constraint task_concurrency_is_some check (concurrency > 0),
    add column rate integer constraint task_rate_is_some check (rate > 0),
    add column rate_period interval constraint task_rate_period_is_some check (rate_period > interval '0'),
    -- The same for each key that jobs of this task are submitted with.
    add column key_concurrency integer constraint task_key_concurrency_is_some check (key_concurrency > 0),
    add column key_rate integer constraint task_key_rate_is_some check (key_rate > 0),
    add column key_rate_period interval constraint task_key_rate_period_is_some check (key_rate_period > interval '0'),
    add constraint task_rate_has_its_period check ((rate is null) = (rate_period is null)),
    add constraint task_key_rate_has_its_period check ((key_rate is null) = (key_rate_period is null)),
    add column limits_task boolean not null generated always as (concurrency is not null or rate is not null) stored,
    add column limits_keys boolean not null
        generated always as (key_concurrency is not null or key_rate is not null) stored;

alter table ringback.job
    -- Which limits it is subject to, as they were when it was submitted.
    add column limited_task boolean not null default false,
    add column limited_key boolean not null default false,
    -- What it waits for while it is held.
    add column held_for text constraint job_held_for_known check (held_for in ('key', 'task')),
    add constraint job_is_held_for_something check ((state = 'held') = (held_for is not null)),
    add constraint job_limited_key_has_a_key check (not limited_key or concurrency_key is not null),
    add constraint job_concurrency_key_is_not_empty check (concurrency_key <> '');

-- Who is next.
create index job_held_for_key on ringback.job (task, concurrency_key, rank, id) where held_for = 'key';
create index job_held_for_task on ringback.job (task, rank, id) where held_for = 'task';
-- Who has been let through.
create index job_limited_key on ringback.job (task, concurrency_key)
    where limited_key and (held_for = 'task' or state in ('ready', 'running', 'waiting'));
create index job_limited_task on ringback.job (task) where limited_task and state in ('ready', 'running', 'waiting');

-- Reasons to look at a limit: a job that came, or an attempt that ended. Written in the statement that makes it so,
-- so that no reason is lost; deleted by whoever has looked.
create table ringback.limit_event (
    task text not null,
    -- Of one key of it; the task as a whole has none.
    key text not null default '',
    -- When that attempt started: for as long as a rate's period it is still counted.
    started_at timestamptz,
    -- When to look.
    due_at timestamptz not null
) with (
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_cost_delay = 0
);

create index limit_event_due on ringback.limit_event (due_at);
create index limit_event_place on ringback.limit_event (task, key);

-- The state of a job that is due.
create function ringback.due_state(limited_key boolean, limited_task boolean) returns text
language sql immutable parallel safe as $$
    select case when limited_key or limited_task then 'held' else 'ready' end
$$;

-- What it is held for, first.
create function ringback.due_hold(limited_key boolean, limited_task boolean) returns text
language sql immutable parallel safe as $$
    select case when limited_key then 'key' when limited_task then 'task' end
$$;

-- A job that is held is a reason to look.
create function ringback.note_held() returns trigger
language plpgsql as $$
begin
    insert into ringback.limit_event (task, key, due_at)
    values (new.task, case when new.held_for = 'key' then new.concurrency_key else '' end, clock_timestamp());
    return null;
end
$$;

create trigger job_is_held after insert or update on ringback.job
for each row when (new.held_for is not null) execute function ringback.note_held();

-- So is a job that leaves room behind: it ends, or goes back to wait, whoever makes it so.
create function ringback.note_room() returns trigger
language plpgsql as $$
begin
    if old.limited_task and old.state in ('ready', 'running', 'waiting') then
        insert into ringback.limit_event (task, key, started_at, due_at)
        values (old.task, '', old.started_at, clock_timestamp());
    end if;
    if old.limited_key and (old.held_for = 'task' or old.state in ('ready', 'running', 'waiting')) then
        insert into ringback.limit_event (task, key, started_at, due_at)
        values (old.task, old.concurrency_key, old.started_at, clock_timestamp());
    end if;
    return null;
end
$$;

create trigger job_leaves_room after delete on ringback.job
for each row when (old.limited_task or old.limited_key) execute function ringback.note_room();
create trigger job_makes_room after update on ringback.job
for each row when (
    (old.limited_task or old.limited_key)
    and (new.state in ('scheduled', 'held') and old.state not in ('scheduled', 'held'))
) execute function ringback.note_room();

-- Lets held jobs of one task, or of one key of it, through, as many as there is room for; for the task as a whole the
-- key is ''. Those that have passed their key go on to be held for their task, where that is limited as well.
create function ringback.admit_to(of_task text, of_key text, with_hints boolean) returns void
language plpgsql
-- It may be planned while the tables are empty, and used when they are not.
set enable_seqscan = off
as $$
declare
    most_at_once bigint;
    most_starts bigint;
    period interval;
    through bigint;
    not_started bigint;
    recent bigint;
    earliest timestamptz;
    room bigint;
    moved bigint;
    rest boolean;
begin
    -- One at a time for each limit. Every statement below begins after this one has its turn, and so sees what the one
    -- before has let through.
    perform pg_advisory_xact_lock(hashtextextended(format('ringback.limit %s %s', of_task, of_key), 0));
    select
        case when of_key = '' then concurrency else key_concurrency end,
        case when of_key = '' then rate else key_rate end,
        case when of_key = '' then rate_period else key_rate_period end
    into most_at_once, most_starts, period
    from ringback.task
    where name = of_task;

    delete from ringback.limit_event
    where task = of_task and key = of_key and due_at <= clock_timestamp()
        and (started_at is null or period is null or started_at <= clock_timestamp() - period);
    update ringback.limit_event
    set due_at = started_at + period
    where task = of_task and key = of_key and due_at <= clock_timestamp();

    if of_key = '' then
        select
            count(*), count(*) filter (where started_at is null),
            count(*) filter (where started_at > clock_timestamp() - period),
            min(started_at) filter (where started_at > clock_timestamp() - period)
        into through, not_started, recent, earliest
        from ringback.job
        where task = of_task and limited_task and state in ('ready', 'running', 'waiting');
    else
        select
            count(*), count(*) filter (where started_at is null),
            count(*) filter (where started_at > clock_timestamp() - period),
            min(started_at) filter (where started_at > clock_timestamp() - period)
        into through, not_started, recent, earliest
        from ringback.job
        where task = of_task and concurrency_key = of_key
            and limited_key and (held_for = 'task' or state in ('ready', 'running', 'waiting'));
    end if;
    if most_starts is not null then
        select recent + count(*), least(earliest, min(started_at))
        into recent, earliest
        from ringback.limit_event
        where task = of_task and key = of_key and started_at > clock_timestamp() - period;
    end if;
    -- `least` passes over the limit that there is not; without any, whatever is held goes on.
    room := coalesce(least(most_at_once - through, most_starts - not_started - recent), 10000);

    if room > 0 then
        with of_the_task as materialized (
            select id from ringback.job
            where of_key = '' and held_for = 'task' and task = of_task
            order by rank, id
            limit room
            for update skip locked
        ), of_the_key as materialized (
            select id from ringback.job
            where of_key <> '' and held_for = 'key' and task = of_task and concurrency_key = of_key
            order by rank, id
            limit room
            for update skip locked
        ), passed as (
            update ringback.job
            set state = case when held_for = 'key' and limited_task then 'held' else 'ready' end,
                held_for = case when held_for = 'key' and limited_task then 'task' end
            where id = any (array(select id from of_the_task union all select id from of_the_key))
            returning queue, rank, state
        ), hinted as (
            select ringback.hint('ringback_ready', queue || ' ' || min(rank))
            from passed
            where with_hints and state = 'ready'
            group by queue
        )
        select (select count(*) from passed), (select count(*) from hinted) into moved, not_started;
    end if;

    -- Where a rate has stopped us, nothing else may happen until its time has passed: look again then.
    if most_starts is not null or moved = 10000 then
        if of_key = '' then
            rest := exists (select from ringback.job where held_for = 'task' and task = of_task);
        else
            rest := exists (
                select from ringback.job where held_for = 'key' and task = of_task and concurrency_key = of_key
            );
        end if;
        if rest then
            insert into ringback.limit_event (task, key, due_at)
            select of_task, of_key, next.look
            from (
                select case
                    when moved = 10000 then clock_timestamp()
                    -- Those that were let through start at a time that we do not know yet.
                    else least(earliest + period, clock_timestamp() + least(period, interval '1 second'))
                end as look
            ) as next
            where not exists (
                select from ringback.limit_event as other
                where other.task = of_task and other.key = of_key
                    and other.due_at <= next.look
            );
        end if;
    end if;
end
$$;

-- Looks at the limits that there is a reason to look at; answers in how many seconds there will be the next.
create function ringback.admit(with_hints boolean default true) returns double precision
language plpgsql
set enable_seqscan = off
as $$
declare
    place record;
begin
    -- Keys before tasks, and both in the order of their names, so that two that look do not wait for each other in a
    -- circle. The tasks are looked up afterwards: what has passed its key is a reason to look at its task.
    for place in
        select distinct task, key
        from (
            select task, key from ringback.limit_event
            where due_at <= clock_timestamp() and key <> ''
            order by due_at
            limit 500
        ) as due
        order by task, key
    loop
        perform ringback.admit_to(place.task, place.key, with_hints);
    end loop;
    for place in
        select distinct task from ringback.limit_event
        where due_at <= clock_timestamp() and key = ''
        order by task
    loop
        perform ringback.admit_to(place.task, '', with_hints);
    end loop;
    return (select extract(epoch from min(due_at) - clock_timestamp()) from ringback.limit_event);
end
$$;

-- With the jobs that are held; views take new columns at their end.
create or replace view ringback.queue_health as
select
    job.queue,
    count(*) filter (where job.state = 'ready') as ready,
    count(*) filter (where job.state = 'scheduled') as scheduled,
    count(*) filter (where job.state = 'running') as running,
    now() - min(job.run_at) filter (where job.state = 'ready') as oldest_wait,
    queue.paused_at,
    count(*) filter (where job.state = 'held') as held
from ringback.job
left join ringback.queue on queue.name = job.queue
group by job.queue, queue.paused_at;
