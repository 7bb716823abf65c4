-- Deletes at most $4 pieces of text of the jobs $1, which belong in one partition, from the id $2 to before $3; $5 says
-- whether they are to be exported. Answers how many.
with picked as materialized (
    select piece.at
    from unnest($1::uuid[]) as given (id)
    cross join lateral (
        select job_event.ctid as at from ringback.job_event
        where job_event.job_id = given.id and job_event.job_id >= $2 and job_event.job_id < $3
        limit $4
        for update skip locked
    ) as piece
    limit $4
), gone as (
    -- Of that partition alone, so that the places of rows are its own.
    delete from ringback.job_event
    where job_id >= $2 and job_id < $3 and ctid = any (array(select at from picked))
    returning job_event.*
), moved as (
    insert into ringback.expired_event select gone.* from gone where $5::boolean
)
select count(*) as "deleted!" from gone
