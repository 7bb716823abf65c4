-- Who is alive, and what they can do.

create table ringback.worker (
    id uuid primary key,
    host text not null,
    pid integer not null,
    version text not null,
    queues text[] not null,
    concurrency integer not null,
    started_at timestamptz not null default clock_timestamp(),
    -- By the database's clock, which alone decides who is late.
    beat_at timestamptz not null default clock_timestamp(),
    -- Set when it left or was given up, and nothing of it is running any more.
    gone_at timestamptz
);

create table ringback.gateway (
    id uuid primary key,
    host text not null,
    pid integer not null,
    version text not null,
    listen text not null,
    started_at timestamptz not null default clock_timestamp(),
    beat_at timestamptz not null default clock_timestamp()
);

-- What the fleet can run, written by whoever registers it and read by the gateways.
create table ringback.task (
    name text primary key,
    queue text not null,
    max_attempts integer not null check (max_attempts > 0),
    registered_at timestamptz not null default clock_timestamp()
);

-- A queue without a row here is open.
create table ringback.queue (
    name text primary key,
    paused_at timestamptz
);
