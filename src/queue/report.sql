-- Stores what running jobs say, and tells the gateways of those who listen. $1..$5 are columns, a row each: the job and
-- its claim, and either a piece of text with its number, or a progress. $6 says whether to hint,
-- or else $7 to answer the hints, for whoever sends them after the commit.
-- What is said under a claim that is over is left out.
with given as materialized (
    select id, claim_id, seq, text, progress::jsonb as progress
    from unnest($1::uuid[], $2::uuid[], $3::integer[], $4::text[], $5::text[])
        as given (id, claim_id, seq, text, progress)
), live as materialized (
    select mine.*
    from (select distinct id, claim_id from given) as claimed
    cross join lateral (
        select job.id, job.attempt, job.gateway_id, job.session_id, job.stream
        from ringback.job
        where job.id = claimed.id and job.claim_id = claimed.claim_id
        offset 0
    ) as mine
), stored as (
    insert into ringback.job_event (job_id, attempt, seq, text)
    select live.id, live.attempt, given.seq, given.text
    from given
    join live using (id)
    where given.text is not null
    on conflict do nothing
), progressed as (
    update ringback.job
    set progress = given.progress
    from given
    where job.id = any (array(select id from live)) and job.id = given.id and given.progress is not null
        and job.claim_id = given.claim_id
), addressed as materialized (
    select live.id, coalesce(home.gateway_id, live.gateway_id) as gateway_id
    from live
    left join lateral (
        select session.gateway_id from ringback.session where session.id = live.session_id offset 0
    ) as home on true
    where live.stream or live.session_id is not null
), hint as materialized (
    select 'ringback_done_' || replace(gateway_id::text, '-', '') as channel, '* ' || string_agg(id::text, ' ') as payload
    from (
        select id, gateway_id, (row_number() over (partition by gateway_id) - 1) / 100 as page
        from addressed
        where ($6::boolean or $7::boolean) and gateway_id is not null
    ) as paged
    group by gateway_id, page
), hinted as (
    select ringback.hint(channel, payload) from hint where $6::boolean
)
select
    (select count(*) from live) as "live!",
    (select count(*) from hinted) as "hinted!",
    array(select channel from hint where $7::boolean) as "channels!",
    array(select payload from hint where $7::boolean) as "payloads!"
