-- Makes tasks known. $1..$9 are columns, a row each: names, queues, attempts; then how many of a task may run at once, how
-- many may start, within how many seconds; then the same for each key. $10 and $11 are the schemas of inputs and outputs.
-- $12 is the worker that says so, or null for a gateway, which does not contradict a living worker; $13 is a lease.
-- Whatever is held by limits that change is looked at again.
with given as materialized (
    select name, queue, max_attempts, concurrency, rate, make_interval(secs => period) as rate_period,
        key_concurrency, key_rate, make_interval(secs => key_period) as key_rate_period,
        input_schema::json, output_schema::json
    from unnest(
        $1::text[], $2::text[], $3::integer[], $4::integer[], $5::integer[], $6::double precision[], $7::integer[],
        $8::integer[], $9::double precision[], $10::text[], $11::text[]
    ) as given (
        name, queue, max_attempts, concurrency, rate, period, key_concurrency, key_rate, key_period, input_schema,
        output_schema
    )
    where $12::uuid is not null or not exists (
        select from ringback.task
        join ringback.worker on worker.id = task.registered_by
        where task.name = given.name and worker.gone_at is null
            and worker.beat_at > clock_timestamp() - make_interval(secs => $13::double precision)
    )
), registered as (
    insert into ringback.task as task (
        name, queue, max_attempts, concurrency, rate, rate_period, key_concurrency, key_rate, key_rate_period,
        input_schema, output_schema, registered_by
    )
    select
        name, queue, max_attempts, concurrency, rate, rate_period, key_concurrency, key_rate, key_rate_period,
        input_schema, output_schema, $12
    from given
    -- So that two programs that start at once do not wait for each other in a circle.
    order by name
    on conflict (name) do update set
        queue = excluded.queue, max_attempts = excluded.max_attempts, concurrency = excluded.concurrency,
        rate = excluded.rate, rate_period = excluded.rate_period, key_concurrency = excluded.key_concurrency,
        key_rate = excluded.key_rate, key_rate_period = excluded.key_rate_period,
        input_schema = excluded.input_schema, output_schema = excluded.output_schema,
        registered_by = excluded.registered_by,
        -- Gateways read again what has changed, and nothing else has.
        registered_at = case when (
            task.queue, task.max_attempts, task.concurrency, task.rate, task.rate_period, task.key_concurrency,
            task.key_rate, task.key_rate_period, task.input_schema::text, task.output_schema::text
        ) is distinct from (
            excluded.queue, excluded.max_attempts, excluded.concurrency, excluded.rate, excluded.rate_period,
            excluded.key_concurrency, excluded.key_rate, excluded.key_rate_period, excluded.input_schema::text,
            excluded.output_schema::text
        ) then clock_timestamp() else task.registered_at end
), changed as materialized (
    select given.name
    from given
    join ringback.task as before using (name)
    where (
        given.concurrency, given.rate, given.rate_period, given.key_concurrency, given.key_rate, given.key_rate_period
    ) is distinct from (
        before.concurrency, before.rate, before.rate_period, before.key_concurrency, before.key_rate,
        before.key_rate_period
    )
), looked_at as (
    insert into ringback.limit_event (task, key, due_at)
    select name, '', now() from changed
    union all
    select distinct job.task, job.concurrency_key, now()
    from changed
    join ringback.job on job.task = changed.name and job.held_for = 'key'
)
select count(*) as "changed!" from changed
