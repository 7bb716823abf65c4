-- Sessions outlive their sockets: what finishes while a client is away waits in its mailbox until it says that it has it.

create table ringback.session (
    id uuid primary key,
    -- The token itself is known to the client alone.
    token_hash bytea not null,
    owner text not null default 'anonymous',
    -- Grows with every socket that takes the session over, and fences the ones before.
    epoch bigint not null default 1,
    -- Where its socket is; null while it has none.
    gateway_id uuid,
    -- The last notice that the client has said it has.
    notified bigint not null,
    created_at timestamptz not null default clock_timestamp(),
    -- While it has no socket: since when.
    seen_at timestamptz not null default clock_timestamp()
) with (fillfactor = 80);

create index session_away on ringback.session (seen_at) where gateway_id is null;
create index session_here on ringback.session (gateway_id) where gateway_id is not null;

-- Finished jobs that a session has not acknowledged.
create table ringback.mailbox (
    session_id uuid not null,
    job_id uuid not null,
    primary key (session_id, job_id)
) with (
    -- Rows live from a result to its acknowledgement, so for milliseconds.
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_cost_delay = 0
);

-- What a session still waits for.
create index job_session on ringback.job (session_id) where session_id is not null;
