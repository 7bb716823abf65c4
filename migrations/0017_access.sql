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

-- What was done with what is not one's own. Never changed, and kept as long as is set.
create table ringback.operator_log (
    id bigint generated always as identity primary key,
    at timestamptz not null default clock_timestamp(),
    -- The subject of a token, or the role of the database for who used the command line.
    who text not null,
    -- The operation, by its name in the contract of HTTP.
    what text not null,
    -- The jobs, the queue or the notice.
    on_what text[] not null default '{}'
);

-- How many jobs a subject has that are not over, and which they are. What was submitted without authentication is
-- nobody's in particular, and costs nothing here.
create index job_owner on ringback.job (owner, id) where owner <> 'anonymous';
