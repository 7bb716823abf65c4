-- The ids of the newest jobs, live or finished, from $1 to $2: at most $3. Where they are not null, only of those in one of
-- the states $4, of the task $5 (or asked for by that name), in the queue $6, of the owner $7, submitted from $8 until before
-- $9 (microseconds since 1970), and with $10 in their content. $11 and $12 say whether the live ones and the finished ones
-- can be among them at all, $13 which ids can be.
-- In the order of the ids, which is that of their submission: both sides are read along their primary keys.
select id as "id!: JobId"
from (
    (
        select id from ringback.job
        where id between $1 and $2 and $11::boolean
            and ($4::text[] is null or state = any ($4))
            and ($5::text is null or task = $5 or task_type = $5)
            and ($6::text is null or queue = $6)
            and ($7::text is null or owner = $7)
            and ($8::bigint is null or extract(epoch from created_at) * 1000000 >= $8)
            and ($9::bigint is null or extract(epoch from created_at) * 1000000 < $9)
            and ($10::text is null or strpos(lower(input #>> '{}'), lower($10)) > 0)
            and ($13::uuid[] is null or id = any ($13))
        order by id desc
        limit $3
    )
    union all
    (
        select id from ringback.job_history
        where id between $1 and $2 and $12::boolean
            and ($4::text[] is null or state = any ($4))
            and ($5::text is null or task = $5 or task_type = $5)
            and ($6::text is null or queue = $6)
            and ($7::text is null or owner = $7)
            and ($8::bigint is null or extract(epoch from created_at) * 1000000 >= $8)
            and ($9::bigint is null or extract(epoch from created_at) * 1000000 < $9)
            and ($10::text is null or strpos(lower(input #>> '{}'), lower($10)) > 0)
            and ($13::uuid[] is null or id = any ($13))
        order by id desc
        limit $3
    )
) as both_sides
order by id desc
limit $3
