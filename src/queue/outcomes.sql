-- What became of these jobs, for the gateway that waits for them.
select
    past.id as "id!: JobId",
    past.connection_id as "connection_id: ConnectionId",
    past.state as "state!",
    past.result,
    past.error_code,
    past.error,
    past.attempt as "attempt!"
from unnest($1::uuid[]) as wanted (id)
join ringback.job_history as past on past.id = wanted.id
