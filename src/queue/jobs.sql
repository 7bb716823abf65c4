-- The jobs $1, live or finished, the newest first: fewer where $2 bytes of inputs and results have come before.
select
    id as "id!: JobId", task as "task!", task_type as "task_type!", queue as "queue!", input as "input!",
    state as "state!", result, error_code, error, progress::text as progress, attempt as "attempt!",
    max_attempts as "max_attempts!", priority as "priority!",
    (extract(epoch from created_at) * 1000000)::bigint as "created_at!",
    (extract(epoch from run_at) * 1000000)::bigint as "run_at!",
    (extract(epoch from started_at) * 1000000)::bigint as started_at,
    (extract(epoch from finished_at) * 1000000)::bigint as finished_at,
    cancelling as "cancelling!", owner as "owner!",
    connection_id as "connection_id: ConnectionId", session_id as "session_id: SessionId",
    worker_id as "worker_id: WorkerId", concurrency_key, retry_of as "retry_of: JobId", retried_as as "retried_as: JobId"
from (
    select
        newest.*,
        sum(size) over (order by id desc) - size as before
    from (
        select
            stored.*,
            octet_length(input) + coalesce(octet_length(result), 0) + coalesce(octet_length(error), 0) as size
        from (
            select small.*, small.given::text as input, small.gave::text as result
            from (
                -- What is stored compressed is smaller than its text: only what may fit is unpacked to see whether it does.
                select
                    both_sides.*,
                    sum(packed) over (order by id desc) - packed as packed_before
                from unnest($1::uuid[]) as wanted (wanted_id)
                cross join lateral (
                    (
                        select
                            id, task, task_type, queue, input as given, state, null::jsonb as gave, null::text as error_code,
                            null::text as error, progress, attempt, max_attempts, priority, created_at, run_at, started_at,
                            null::timestamptz as finished_at, cancel_requested_at is not null as cancelling, owner,
                            connection_id, session_id, worker_id, concurrency_key, retry_of, null::uuid as retried_as
                        from ringback.job
                        where id = wanted_id
                    )
                    union all
                    (
                        select
                            id, task, task_type, queue, input, state, result, error_code, error, null, attempt, max_attempts,
                            priority, created_at, run_at, started_at, finished_at, false, owner, connection_id, session_id,
                            worker_id, concurrency_key, retry_of, retried_as
                        from ringback.job_history
                        where id = wanted_id
                    )
                ) as both_sides
                cross join lateral (
                    select pg_column_size(given) + coalesce(pg_column_size(gave), 0) as packed
                ) as weighed
            ) as small
            where packed_before < $2::bigint
        ) as stored
    ) as newest
) as page
where before < $2::bigint or before = 0
order by id desc
