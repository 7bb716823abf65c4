-- The oldest of the newest $3 jobs, live or finished, whose ids are from $1 to $2; none, where there are fewer.
-- $4 and $5 say whether live ones and finished ones count, $6 that finished ones do only where they have not succeeded.
select id as "id!: JobId"
from (
    (
        select id from ringback.job
        where id between $1 and $2 and $4::boolean
        order by id desc
        limit $3
    )
    union all
    (
        select id from ringback.job_history
        where id between $1 and $2 and $5::boolean and (not $6::boolean or state <> 'succeeded')
        order by id desc
        limit $3
    )
) as both_sides
order by id desc
offset $3 - 1
limit 1
