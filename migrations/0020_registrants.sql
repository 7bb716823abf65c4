-- Who has said what a task is: a worker, or null for a gateway, which speaks only where no worker does.
-- A worker that leaves may have been of another version of the program than those that stay; then one of these says it.
alter table ringback.task add column registered_by uuid;
