-- Who has said what a task is: a worker, or null for a gateway, which speaks only where no worker does.
-- A worker that leaves may have been of another version of the program than those that stay; then one of these says it.
alter table ringback.task add column registered_by uuid;

-- A program of an earlier version says nothing of who says it: then nobody has, and the living worker that started last
-- says it again.
create function ringback.note_registrant() returns trigger
language plpgsql as $$
begin
    new.registered_by := null;
    return new;
end
$$;

create trigger task_is_said_anew before update on ringback.task
for each row when (
    new.registered_by is not distinct from old.registered_by
    and (
        new.queue, new.max_attempts, new.concurrency, new.rate, new.rate_period, new.key_concurrency, new.key_rate,
        new.key_rate_period, new.input_schema::text, new.output_schema::text
    ) is distinct from (
        old.queue, old.max_attempts, old.concurrency, old.rate, old.rate_period, old.key_concurrency, old.key_rate,
        old.key_rate_period, old.input_schema::text, old.output_schema::text
    )
) execute function ringback.note_registrant();
