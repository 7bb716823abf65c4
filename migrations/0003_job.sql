-- Live jobs only. A job that ends leaves this table for the history in the same statement,
-- so the table stays as small as the work that is waiting.

create table ringback.job (
    id uuid primary key,
    -- What runs it, and the name it was asked by: an unknown name may run as the task `default`.
    task text not null,
    task_type text not null,
    queue text not null,
    input jsonb not null,
    state text not null
        constraint job_state_known check (state in ('scheduled', 'held', 'ready', 'running', 'waiting')),
    rank bigint not null,
    priority smallint not null default 0,
    run_at timestamptz not null,
    created_at timestamptz not null default now(),
    -- Grows with every start; failures and crashes say how the earlier ones ended.
    attempt integer not null default 0 check (attempt >= 0),
    failures integer not null default 0 check (failures >= 0),
    crashes integer not null default 0 check (crashes >= 0),
    max_attempts integer not null check (max_attempts > 0),
    started_at timestamptz,
    -- A new random one with every claim: it fences every later write of that claim.
    claim_id uuid,
    worker_id uuid,
    connection_id uuid,
    gateway_id uuid,
    session_id uuid,
    owner text not null default 'anonymous',
    concurrency_key text,
    deadline timestamptz,
    cancel_requested_at timestamptz,
    progress jsonb,
    -- A running job has a claim, a worker and a start; a ready one has none of them.
    constraint job_claim_belongs_to_its_state check (
        case when state in ('running', 'waiting')
            then claim_id is not null and worker_id is not null and started_at is not null
            else claim_id is null and worker_id is null and started_at is null
        end
    )
) with (
    -- Room for the update that claims a row, beside the row.
    fillfactor = 80,
    -- Rows live for milliseconds: clean up by the number of dead ones, not by a share of the table.
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_cost_delay = 0,
    autovacuum_analyze_scale_factor = 0.2,
    autovacuum_analyze_threshold = 5000
);

-- The claim's order.
create index job_ready on ringback.job (queue, rank, id) where state = 'ready';
-- What becomes due next.
create index job_scheduled on ringback.job (run_at) where state = 'scheduled';
-- What a silent worker leaves behind.
create index job_running on ringback.job (worker_id) where state in ('running', 'waiting');
-- The order of the view `jobs`.
create index job_created on ringback.job (created_at);
