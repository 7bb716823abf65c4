-- A worker says that it lives, and hears which of the claims it holds ($7, $8) are no longer its own. $9 are
-- its tasks.
with beat as (
    insert into ringback.worker (id, host, pid, version, queues, concurrency, tasks)
    values ($1, $2, $3, $4, $5, $6, $9)
    on conflict (id) do update set beat_at = clock_timestamp(), gone_at = null
)
select held.id as "id!: JobId", held.claim_id as "claim_id!: ClaimId"
from unnest($7::uuid[], $8::uuid[]) as held (id, claim_id)
where (select job.id from ringback.job where job.id = held.id and job.claim_id = held.claim_id) is null
