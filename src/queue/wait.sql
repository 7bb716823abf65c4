-- Lets claimed jobs wait to be called back, each for so many seconds: $1..$3 are columns, a row each. One that was asked
-- to end has ended. $4 says whether to hint.
with given as materialized (
    select id, claim_id, seconds
    from unnest($1::uuid[], $2::uuid[], $3::double precision[]) as given (id, claim_id, seconds)
), held as materialized (
    select mine.*, given.seconds
    from (select * from given order by id) as given
    cross join lateral (
        select job.id, job.cancel_requested_at is not null as over, job.limited_key or job.limited_task as limited
        from ringback.job
        where job.id = given.id and job.claim_id = given.claim_id and job.state = 'running'
        for update
    ) as mine
), waits as (
    update ringback.job
    set state = 'waiting', deadline = clock_timestamp() + make_interval(secs => held.seconds)
    from held
    where job.id = any (array(select id from held where not over)) and job.id = held.id
    returning job.id
), ended as (
    delete from ringback.job
    where job.id = any (array(select id from held where over))
    returning job
), recorded as materialized (
    select ringback.end_job(ended.job, 'cancelled', 'cancelled', 'the job was cancelled', $4::boolean) from ended
), hinted as (
    select ringback.hint('ringback_ready', 'held')
    where $4::boolean and exists (select from held where limited and over)
)
select
    (select count(*) from waits) + (select count(*) from recorded) as "waits!",
    (select count(*) from hinted) as "hinted!"
