-- A worker that was told to stop finishes what it has and claims nothing more: nobody is to leave a job to it.
alter table ringback.worker add column stopping boolean not null default false;
