-- Ends the jobs $1 that do not run, and asks the workers of the others to end them.
-- Those only that are $2's, and of its session $3 or its connection $4 or among those that it waits for, $5; where $2 is
-- null, anyone's. $6 says whether to hint. Each job is locked first: whatever commits before that, such as a success,
-- has been first. Answers the jobs that were found, and whether they still run.
with found as materialized (
    select mine.*
    from (select distinct id from unnest($1::uuid[]) as wanted (id) order by id) as wanted
    cross join lateral (
        select job.id, job.state in ('running', 'waiting') as runs, job.limited_key or job.limited_task as limited
        from ringback.job
        where job.id = wanted.id
            and (
                $2::text is null
                or (
                    job.owner = $2
                    and (job.session_id = $3::uuid or job.connection_id = $4::uuid or job.id = any ($5::uuid[]))
                )
            )
        for update
    ) as mine
), ended as (
    delete from ringback.job
    where job.id = any (array(select id from found where not runs))
    returning job, job.id
), recorded as materialized (
    select id, ringback.end_job(ended.job, 'cancelled', 'cancelled', 'the job was cancelled', $6::boolean) from ended
), asked as (
    update ringback.job
    set cancel_requested_at = coalesce(job.cancel_requested_at, clock_timestamp())
    where job.id = any (array(select id from found where runs))
    returning job.id, job.worker_id
), hinted as (
    select ringback.hint('ringback_cancel', worker_id || ' ' || string_agg(id::text, ' '))
    from (
        select id, worker_id, (row_number() over (partition by worker_id) - 1) / 100 as page from asked
    ) as paged
    where $6::boolean
    group by worker_id, page
    union all
    select ringback.hint('ringback_ready', 'held')
    where $6::boolean and exists (select from found where limited and not runs)
)
select found.id as "id!: JobId", found.runs as "runs!"
from found
where (select count(*) from recorded) + (select count(*) from asked) + (select count(*) from hinted) >= 0
