-- What keeps the partitions of a day, from the id $1 to before $2, from going: jobs that are not over, outcomes that a
-- session has not acknowledged, keys that lead to a job, or a job that ended at $3 (seconds since 1970) or later. $4 says
-- whether keys count.
select case
    when exists (select from ringback.job where job.id >= $1 and job.id < $2) then 'live'
    when exists (select from ringback.mailbox where mailbox.job_id >= $1 and mailbox.job_id < $2) then 'mail'
    when $4::boolean and exists (
        select from ringback.idempotency
        where idempotency.job_id >= $1 and idempotency.job_id < $2 and idempotency.expires_at > clock_timestamp()
    ) then 'key'
    when coalesce((
        select past.finished_at from ringback.job_history as past
        where past.id >= $1 and past.id < $2
        order by past.finished_at desc
        limit 1
    ) >= to_timestamp($3::double precision), false) then 'history'
    else 'nothing'
end as "needed!"
