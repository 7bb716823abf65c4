-- Who may do what: tickets for sockets, and what operators have done.

-- A browser's socket cannot carry a token, so its page buys a ticket with one: good once, for a moment, on any gateway.
create table ringback.ticket (
    -- Of the secret; the ticket itself is nowhere.
    hash bytea primary key,
    subject text not null,
    scopes text[] not null,
    -- When the token ends that it was bought with; null where there is none.
    token_ends_at timestamptz,
    expires_at timestamptz not null
);

create index ticket_expires on ringback.ticket (expires_at);

-- What was done with what is not one's own. Never changed, and kept.
create table ringback.operator_log (
    id bigint generated always as identity primary key,
    at timestamptz not null default clock_timestamp(),
    -- The subject of a token, or the role of the database of whoever used the command line.
    kind text not null constraint operator_log_kind_known check (kind in ('subject', 'role')),
    who text not null,
    -- The operation, by its name in the contract of HTTP.
    what text not null,
    -- The jobs, the queue or the notice.
    on_what text[] not null default '{}'
);

-- How many jobs a subject has that are not over, and which they are. What was submitted without authentication is
-- nobody's in particular, and costs nothing here.
create index job_owner on ringback.job (owner, id) where owner <> 'anonymous';

-- Least privilege: the owner of the schema migrates; the program works as another role, and people read as a third.
-- Each is given what it needs by its owner: `select ringback.grant_program('name')`, and again for a new role.
create function ringback.grant_program(role_name text) returns void
language plpgsql as $$
declare
    partitioned record;
begin
    -- It makes the partitions of the history, and drops them: for that they must be its own.
    execute format('grant usage, create on schema ringback to %I', role_name);
    execute format('grant select, insert, update, delete on all tables in schema ringback to %I', role_name);
    execute format('grant usage on all sequences in schema ringback to %I', role_name);
    -- And what later migrations make.
    execute format(
        'alter default privileges in schema ringback grant select, insert, update, delete on tables to %I', role_name
    );
    execute format('alter default privileges in schema ringback grant usage on sequences to %I', role_name);
    -- It says what was done, and cannot take it back.
    execute format('revoke update, delete on ringback.operator_log from %I', role_name);
    -- The library's own, which is not there where the migrations are run by hand.
    if to_regclass('ringback.migration') is not null then
        execute format('revoke insert, update, delete on ringback.migration from %I', role_name);
    end if;
    for partitioned in
        select relation.oid::regclass as name
        from pg_class as relation
        where relation.relnamespace = 'ringback'::regnamespace
            and relation.relkind in ('r', 'p')
            and relation.relname ~ '^job_(history|attempt|event)(_[0-9]{8})?$'
    loop
        execute format('alter table %s owner to %I', partitioned.name, role_name);
    end loop;
end
$$;

create function ringback.grant_reader(role_name text) returns void
language plpgsql as $$
begin
    execute format('grant usage on schema ringback to %I', role_name);
    execute format(
        'grant select on ringback.jobs, ringback.attempts, ringback.queue_health, ringback.latency_by_task to %I',
        role_name
    );
end
$$;

-- Both are for the owner alone.
revoke all on function ringback.grant_program(text), ringback.grant_reader(text) from public;
