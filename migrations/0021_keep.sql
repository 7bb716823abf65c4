-- What is kept, and for how long: what the sweeper needs to let go of the rest in small batches, and of the history only
-- once it is in files, where somebody wants that.

-- A job is kept for as long as a key leads to it: whoever submits again with it is answered with its outcome.
create index idempotency_job on ringback.idempotency (job_id);

create index operator_log_at on ringback.operator_log (at);

-- Whoever has exported the history once: from then on, only processes that export it let go of any of it.
create table ringback.exporter (
    -- One row, or none.
    singleton boolean primary key default true constraint exporter_is_one check (singleton),
    host text not null,
    folder text not null,
    seen_at timestamptz not null default clock_timestamp()
);

-- The files of tables that are being let go. A name is chosen before the file is there, so that whoever is interrupted
-- writes the same file again, and never one that holds other rows.
create table ringback.export_file (
    -- The table, without its schema.
    source text primary key,
    file text not null,
    -- When it was whole; null while it is not.
    written_at timestamptz
);

-- What is to be exported and does not go with a partition: rows that have expired beside others that have not. They are
-- moved here, so that what is in a file and what is deleted are the same rows. The columns are those of the history, in
-- the same order; a migration that adds one there adds it here.
create table ringback.expired_history (like ringback.job_history including defaults, primary key (id));
create table ringback.expired_attempt (like ringback.job_attempt including defaults, primary key (job_id, attempt));
create table ringback.expired_event (like ringback.job_event including defaults, primary key (job_id, attempt, seq));

-- The role of the program cannot change what is recorded about it. It may let go of what is old, but never of the last
-- thirty days, whatever it asks for.
create function ringback.expire_operator_log(keep interval, most integer) returns bigint
language sql volatile strict security definer
set search_path = pg_catalog, pg_temp
as $$
    with gone as (
        delete from ringback.operator_log
        where id = any (array(
            select operator_log.id from ringback.operator_log
            where operator_log.at < clock_timestamp() - greatest(keep, interval '30 days')
            order by operator_log.at
            limit most
            for update skip locked
        ))
        returning id
    )
    select count(*) from gone
$$;
revoke all on function ringback.expire_operator_log(interval, integer) from public;

-- As before, with what came here.
create or replace function ringback.grant_program(role_name text) returns void
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
    execute format('grant execute on function ringback.expire_operator_log(interval, integer) to %I', role_name);
    execute format(
        'grant truncate on ringback.expired_history, ringback.expired_attempt, ringback.expired_event to %I', role_name
    );
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

-- The role of the program that is there already: the one that the history belongs to.
do $$
declare
    program name;
begin
    select pg_get_userbyid(relowner) into program from pg_class where oid = 'ringback.job_history'::regclass;
    if program <> current_user then
        execute format('grant execute on function ringback.expire_operator_log(interval, integer) to %I', program);
        execute format(
            'grant truncate on ringback.expired_history, ringback.expired_attempt, ringback.expired_event to %I', program
        );
    end if;
end
$$;
