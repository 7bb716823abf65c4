-- Deletes those of the jobs $1, which belong in one partition, from the id $2 to before $3, that nobody has come back for
-- meanwhile; $4 says whether they are to be exported. Answers how many.
with free as materialized (
    select past.id
    from unnest($1::uuid[]) as given (id)
    cross join lateral (
        select history.id from ringback.job_history as history
        where history.id = given.id and history.id >= $2 and history.id < $3
            and (
                select mailbox.job_id from ringback.mailbox
                where mailbox.session_id = history.session_id and mailbox.job_id = history.id
            ) is null
        for update skip locked
    ) as past
), gone as (
    delete from ringback.job_history
    where id >= $2 and id < $3 and id = any (array(select id from free))
    returning job_history.*
), moved as (
    insert into ringback.expired_history select gone.* from gone where $4::boolean
)
select count(*) as "deleted!" from gone
