-- What an operator sees: how things were over time, and what each gateway does.

-- How things were, every ten seconds; kept for a day. Whichever process comes first takes the sample.
create table ringback.sample (
    -- The end of the time that it is about.
    at timestamptz primary key,
    seconds real not null,
    -- Live jobs at its end.
    scheduled bigint not null,
    held bigint not null,
    ready bigint not null,
    running bigint not null,
    waiting bigint not null,
    -- Jobs that ended during it.
    succeeded bigint not null,
    failed bigint not null,
    cancelled bigint not null,
    -- In seconds, of those among them that were started; null where none was.
    waited_p50 double precision,
    waited_p95 double precision,
    waited_p99 double precision,
    ran_p50 double precision,
    ran_p95 double precision,
    ran_p99 double precision
);

-- What has just ended is found without reading what ended before.
create index job_history_finished on ringback.job_history (finished_at);

-- What did not succeed is rare, and looked for most.
create index job_history_unsuccessful on ringback.job_history (id) where state <> 'succeeded';

alter table ringback.gateway add column sockets integer not null default 0;
