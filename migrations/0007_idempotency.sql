-- Keys of submissions that may be repeated: whoever asks again with the same key is given the same job.
-- A key is written in the statement that inserts its job. Looking for it among the jobs instead would let a second one
-- in, between the moment the first leaves the live table and the moment the history is seen to have it.

create table ringback.idempotency (
    owner text not null,
    key text not null,
    job_id uuid not null,
    -- A hash of what was asked: the same key for something else is a conflict.
    request bytea not null,
    expires_at timestamptz not null,
    primary key (owner, key)
);

create index idempotency_expires on ringback.idempotency (expires_at);
