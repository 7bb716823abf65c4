-- Who keeps dead rows from being cleaned away: transactions that have been open for $1 seconds, standbys that ask for
-- it, prepared transactions, slots. Those of other databases of this server are told where they hold us back as well.
select
    holder.kind as "kind!", holder.name as "name!", holder.who, holder.application, holder.state, holder.query,
    holder.seconds, holder.transactions, holder.advice as "advice!"
from (
    select
        'connection' as kind, 'pid ' || pid as name, usename::text as who, nullif(application_name, '') as application,
        state, left(regexp_replace(query, '\s+', ' ', 'g'), 80) as query,
        extract(epoch from clock_timestamp() - xact_start)::double precision as seconds,
        greatest(age(backend_xmin), age(backend_xid))::bigint as transactions,
        format('select pg_terminate_backend(%s)', pid) as advice
    from pg_stat_activity
    where pid <> pg_backend_pid() and backend_type = 'client backend' and datname = current_database()
        and xact_start < clock_timestamp() - make_interval(secs => $1::double precision)
    union all
    select
        'standby', 'pid ' || pid, usename::text, nullif(application_name, ''), state, null, null,
        age(backend_xmin)::bigint,
        'on the standby: end its long queries, or alter system set hot_standby_feedback = off; select pg_reload_conf()'
    from pg_stat_replication
    where age(backend_xmin) > $2::bigint
    union all
    select
        'prepared', 'the prepared transaction ' || quote_literal(gid), owner::text, null, null, null,
        extract(epoch from clock_timestamp() - prepared)::double precision,
        age(transaction)::bigint,
        format('rollback prepared %L (or commit prepared)', gid)
    from pg_prepared_xacts
    where database = current_database() and prepared < clock_timestamp() - make_interval(secs => $1::double precision)
    union all
    select
        'slot', 'the slot ' || quote_literal(slot_name), null, null, null, null, null,
        greatest(age(xmin), age(catalog_xmin))::bigint,
        format('bring its reader back, or select pg_drop_replication_slot(%L)', slot_name)
    from pg_replication_slots
    where greatest(age(xmin), age(catalog_xmin)) > $2::bigint
) as holder
order by holder.seconds desc nulls last, holder.transactions desc nulls last
limit 20
