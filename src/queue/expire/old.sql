-- Of the next $3 jobs of the history after the id $1 and before $2, those that ended before $4 (seconds since 1970), in
-- one of the states $5, of the task $6 and in the queue $7, as far as these are given, and that nobody needs: no session
-- still has to be told, and no key leads to them. Without $8, it does not matter whether they are needed.
with page as materialized (
    select
        past.id, past.session_id,
        past.finished_at < to_timestamp($4::double precision)
            and ($5::text[] is null or past.state = any ($5))
            and ($6::text is null or past.task = $6 or past.task_type = $6)
            and ($7::text is null or past.queue = $7) as meant
    from ringback.job_history as past
    where past.id > $1 and past.id < $2
    order by past.id
    limit $3
)
select
    (select page.id from page order by page.id desc limit 1) as last,
    (select count(*) from page) as "looked_at!",
    array(
        select page.id from page
        where page.meant
            -- Looked up one by one, in the index.
            and (
                select mailbox.job_id from ringback.mailbox
                where mailbox.session_id = page.session_id and mailbox.job_id = page.id
            ) is null
            and (not $8::boolean or (
                select idempotency.job_id from ringback.idempotency
                where idempotency.job_id = page.id and idempotency.expires_at > clock_timestamp()
                limit 1
            ) is null)
        order by page.id
    ) as "old!"
