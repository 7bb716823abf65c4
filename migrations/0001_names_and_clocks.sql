-- The schema, and the small functions that everything else is written with.

create schema if not exists ringback;

-- Ids are UUIDv7: their first 48 bits are milliseconds since 1970, by the database's clock.
-- The smallest id of a moment is the bound of a partition.
create function ringback.uuid_floor(at timestamptz) returns uuid
language sql immutable strict parallel safe as $$
    select (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
$$;

create function ringback.uuid_time(id uuid) returns timestamptz
language sql immutable strict parallel safe as $$
    select to_timestamp(('x' || left(replace(id::text, '-', ''), 12))::bit(48)::bigint / 1000.0)
$$;

-- A hint only says "look"; the tables are the truth.
-- It is one function so that an installation can replace it, and a test can make it fail.
create function ringback.hint(channel text, payload text) returns void
language sql volatile as $$
    select pg_notify(channel, payload)
$$;

-- The order of waiting jobs in one number: microseconds since 1970 of the time a job is due,
-- a minute earlier for each step of priority.
-- What waits long therefore overtakes what is merely important: ageing for nothing, no starvation.
create function ringback.rank(run_at timestamptz, priority smallint) returns bigint
language sql immutable strict parallel safe as $$
    select (extract(epoch from run_at) * 1000000)::bigint - priority * 60000000::bigint
$$;
