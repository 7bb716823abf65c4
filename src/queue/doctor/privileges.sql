-- What the current user lacks of what a gateway and a worker do, as `ringback.grant_program` gives it.
select lacks.what as "what!"
from (
    select 1 as place, privilege || ' in the schema ringback' as what
    from unnest(array['usage', 'create']) as privilege
    where not has_schema_privilege('ringback', privilege)
    union all
    select 2, privilege || ' on ' || relation.relname
    from pg_class as relation
    cross join unnest(array['select', 'insert', 'update', 'delete']) as privilege
    where relation.relnamespace = 'ringback'::regnamespace
        and relation.relkind in ('r', 'p')
        -- Of the others there are hundreds, and they belong to whom their parents belong to.
        and not relation.relispartition
        and not has_table_privilege(relation.oid, privilege)
        and case relation.relname
            when 'operator_log' then privilege in ('select', 'insert')
            when 'migration' then privilege = 'select'
            else true
        end
    union all
    -- It makes their partitions, and drops them.
    select 3, 'act as the owner of ' || relation.relname
    from pg_class as relation
    where relation.relnamespace = 'ringback'::regnamespace
        and relation.relname in ('job_history', 'job_attempt', 'job_event')
        and not pg_has_role(relation.relowner, 'usage')
    union all
    select 4, 'execute ' || function.proname
    from pg_proc as function
    where function.pronamespace = 'ringback'::regnamespace
        and function.proname not in ('grant_program', 'grant_reader')
        and not has_function_privilege(function.oid, 'execute')
) as lacks
order by lacks.place, lacks.what
