-- Tasks of one's own: what their jobs work on and give back, and the jobs that jobs ask for.

alter table ringback.task
    -- As JSON Schema. Null is anything: whoever has registered it does not say, such as a program of an earlier version.
    add column input_schema jsonb,
    add column output_schema jsonb;

-- The tasks that it can run.
alter table ringback.worker add column tasks text[] not null default '{}';

-- The task that runs what is asked for by this name: the one that is called so, or else the one called `default`.
create function ringback.task_for(asked text) returns ringback.task
language plpgsql stable
as $$
declare
    known ringback.task;
begin
    select * into known from ringback.task where name = task_for.asked;
    if not found then
        select * into known from ringback.task where name = 'default';
    end if;
    if not found then
        raise exception 'no task is called %', task_for.asked
            using errcode = 'undefined_object',
            hint = 'A task is known once a worker or a gateway that has it was started; select name from ringback.task lists them.';
    end if;
    return known;
end
$$;
