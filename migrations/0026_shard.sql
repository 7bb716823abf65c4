-- Which one of how many databases this is, where owners are spread among several (docs/scaling.md). Written once, by the
-- first process that names them; each that comes later compares, so that no two disagree about where an owner is.
create table ringback.shard (
    only_row boolean primary key default true check (only_row),
    number integer not null check (number > 0),
    shards integer not null check (shards >= number)
);
