-- As before, but that a reason which comes between the two statements that tidy up is left alone by the second of them. It
-- was given the time at which its start is no longer counted, and where it has no start, or its limit no rate, that is null:
-- the look failed, and what it had let through was held for another few seconds.

-- Lets held jobs of one task, or of one key of it, through, as many as there is room for; for the task as a whole the
-- key is ''. Those that have passed their key go on to be held for their task, where that is limited as well.
create or replace function ringback.admit_to(of_task text, of_key text, with_hints boolean) returns void
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
    -- Of those alone that the rate still counts: whatever else has come in the meantime stays due.
    update ringback.limit_event
    set due_at = started_at + period
    where task = of_task and key = of_key and due_at <= clock_timestamp() and started_at > clock_timestamp() - period;

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
