-- Gives the session $1, whose token has the hash $2 and whose owner is $3, to the gateway $4, if it has a socket or was
-- left less than $5 seconds ago; $6 says whether to hint the gateway that had it.
with before as materialized (
    select id, gateway_id
    from ringback.session
    where id = $1
        and token_hash = $2
        and owner = $3
        and (
            gateway_id is not null
            or seen_at > clock_timestamp() - make_interval(secs => $5::double precision)
        )
    for update
), taken as (
    update ringback.session
    set gateway_id = $4, epoch = epoch + 1, seen_at = clock_timestamp()
    where id = any (array(select id from before))
    returning id, epoch, notified
), hinted as (
    select ringback.hint(
        'ringback_done_' || replace(before.gateway_id::text, '-', ''), format('session %s %s', taken.id, taken.epoch)
    )
    from before, taken
    where $6::boolean and before.gateway_id is not null and before.gateway_id <> $4
)
select epoch as "epoch!", notified as "notified!", (select count(*) from hinted) as "hinted!" from taken
