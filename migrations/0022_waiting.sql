-- What jobs need that wait to be called back, and those that were put off.

-- Nobody looks for the jobs of a worker that wait: those who look for its running jobs read none of them.
drop index ringback.job_running;
create index job_running on ringback.job (worker_id) where state = 'running';

-- How long the next attempt waits after a failure that is told by whoever calls back, or by nobody: the longest after the
-- first, and after any. Null is as by default.
alter table ringback.job
    add column retry_first interval,
    add column retry_longest interval;

-- As before, but that a job which goes back without having been started is no start: its attempt is not counted either.
create or replace function ringback.note_room() returns trigger
language plpgsql as $$
declare
    started timestamptz := old.started_at;
begin
    if tg_op = 'UPDATE' and new.attempt < old.attempt then
        started := null;
    end if;
    if old.limited_task and old.state in ('ready', 'running', 'waiting') then
        insert into ringback.limit_event (task, key, started_at, due_at)
        values (old.task, '', started, clock_timestamp());
    end if;
    if old.limited_key and (old.held_for = 'task' or old.state in ('ready', 'running', 'waiting')) then
        insert into ringback.limit_event (task, key, started_at, due_at)
        values (old.task, old.concurrency_key, started, clock_timestamp());
    end if;
    return null;
end
$$;
