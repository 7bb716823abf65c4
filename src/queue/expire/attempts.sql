-- Deletes at most $4 attempts of the jobs $1, which belong in one partition, from the id $2 to before $3; $5 says
-- whether they are to be exported. Answers how many.
with picked as materialized (
    select one.at
    from unnest($1::uuid[]) as given (id)
    cross join lateral (
        select job_attempt.ctid as at from ringback.job_attempt
        where job_attempt.job_id = given.id and job_attempt.job_id >= $2 and job_attempt.job_id < $3
        limit $4
        for update skip locked
    ) as one
    limit $4
), gone as (
    -- Of that partition alone, so that the places of rows are its own.
    delete from ringback.job_attempt
    where job_id >= $2 and job_id < $3 and ctid = any (array(select at from picked))
    returning job_attempt.*
), moved as (
    insert into ringback.expired_attempt select gone.* from gone where $5::boolean
)
select count(*) as "deleted!" from gone
