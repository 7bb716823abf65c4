-- What makes sure of the files of the history, and of looking whether a day of it is over.

alter table ringback.export_file
    -- Which file it is, noted before it has its name: whoever goes on after somebody who was killed in between knows it by
    -- these, and takes no other file of that name for it. Null where an earlier version was at it.
    add column inode bigint,
    add column bytes bigint;

-- A day is kept as long as one of its jobs is in somebody's mailbox: without this, all mailboxes are read for each day.
create index mailbox_job on ringback.mailbox (job_id);
