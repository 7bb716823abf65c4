-- The place of a job in its queue, reckoned in double precision: `extract` makes a numeric, which was a tenth of the cost
-- of storing a job. The answers are the same, to the microsecond, until the year 2106, and of the right order after it.
create or replace function ringback.rank(run_at timestamptz, priority smallint) returns bigint
language sql immutable parallel safe strict as $$
    select (date_part('epoch', run_at) * 1000000)::bigint - priority * 60000000::bigint
$$;
