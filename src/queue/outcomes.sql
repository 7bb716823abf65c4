-- What became of these jobs, for the gateway that waits for them.
select
    past.id as "id!: JobId",
    past.session_id as "session_id: SessionId",
    past.state as "state!",
    past.result::text as result,
    past.error_code,
    past.error,
    past.attempt as "attempt!",
    past.traceparent,
    (
        select true from ringback.mailbox
        where mailbox.session_id = past.session_id and mailbox.job_id = past.id
    ) is not null as "unread!",
    extract(epoch from clock_timestamp() - past.finished_at)::double precision as "since!",
    (select session.gateway_id from ringback.session where session.id = past.session_id) as "home: GatewayId"
from unnest($1::uuid[]) as wanted (id)
cross join lateral (
    select * from ringback.job_history where job_history.id = wanted.id
    -- One look-up for each id, in the one partition that can have it, whatever the planner believes about the table.
    offset 0
) as past
