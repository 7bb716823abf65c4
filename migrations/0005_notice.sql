-- Notices to everyone in a group, numbered in the order in which they commit:
-- whoever has seen number 7 will never find a new number 6.

-- The row is the lock that makes the order: it is held from the number's taking to its commit.
create table ringback.notice_group (
    name text primary key,
    last_number bigint not null
);

create table ringback.notice (
    "group" text not null references ringback.notice_group (name),
    number bigint not null,
    content text not null,
    created_at timestamptz not null default clock_timestamp(),
    expires_at timestamptz not null,
    primary key ("group", number)
);

create index notice_expires on ringback.notice (expires_at);

insert into ringback.notice_group values ('system', 0);
