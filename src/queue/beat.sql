-- A worker says that it lives, what it can run ($12), whether it was told to stop ($13), and which tasks it has paused:
-- their names, after how many failures, and for how many seconds still ($9..$11). It hears which of the claims it holds ($7, $8) are no longer its own.
with beat as (
    insert into ringback.worker (id, host, pid, version, queues, concurrency, tasks, stopping, circuits)
    values ($1, $2, $3, $4, $5, $6, $12, $13, (
        select coalesce(jsonb_agg(
            jsonb_build_object(
                'task', open.task, 'failures', open.failures,
                'until', clock_timestamp() + make_interval(secs => open.remaining)
            )
        ), '[]')
        from unnest($9::text[], $10::integer[], $11::double precision[]) as open (task, failures, remaining)
    ))
    on conflict (id) do update set beat_at = clock_timestamp(), gone_at = null, stopping = excluded.stopping,
        circuits = excluded.circuits
)
select held.id as "id!: JobId", held.claim_id as "claim_id!: ClaimId"
from unnest($7::uuid[], $8::uuid[]) as held (id, claim_id)
where (select job.id from ringback.job where job.id = held.id and job.claim_id = held.claim_id) is null
