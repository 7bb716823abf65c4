-- Jobs that come back: by a cron expression, in a time zone.

create table ringback.recurring (
    name text primary key,
    task text not null,
    input jsonb not null,
    cron text not null,
    time_zone text not null,
    -- What becomes of a firing that is more than a minute late, because nothing was running.
    missed text not null constraint recurring_missed_known check (missed in ('catch_up', 'skip')),
    priority smallint not null default 0,
    max_attempts integer constraint recurring_attempts_are_some check (max_attempts > 0),
    concurrency_key text,
    owner text not null default 'anonymous',
    created_at timestamptz not null default clock_timestamp(),
    -- By the database's clock; worked out by whoever fires.
    next_at timestamptz not null,
    -- The last firing, and its job.
    last_at timestamptz,
    last_job uuid
);

create index recurring_next on ringback.recurring (next_at);

-- Fires once, or passes over a firing: only whoever still finds it due at `due` does so. The job and the next time are
-- committed together. Answers the job, if there is one.
create function ringback.fire(recurring_name text, due double precision, next_due double precision, fires boolean)
returns uuid
language plpgsql as $$
declare
    this ringback.recurring;
    job uuid;
begin
    update ringback.recurring
    set next_at = coalesce(to_timestamp(next_due), 'infinity')
    where name = recurring_name and extract(epoch from next_at)::double precision = due
    returning * into this;
    if not found or not fires then
        return null;
    end if;
    job := ringback.enqueue(
        this.task, input => this.input, priority => this.priority, max_attempts => this.max_attempts,
        concurrency_key => this.concurrency_key, owner => this.owner
    );
    update ringback.recurring set last_at = to_timestamp(due), last_job = job where name = recurring_name;
    return job;
end
$$;
