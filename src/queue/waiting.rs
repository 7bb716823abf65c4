//! How many jobs are not over.

use sqlx::PgConnection;

/// How many jobs of each of these owners are not over, in their order; each is counted up to `most`.
///
/// # Errors
/// Those of the database.
pub async fn of(
    connection: &mut PgConnection,
    owners: &[&str],
    most: u64,
) -> Result<Vec<u64>, sqlx::Error> {
    let counts = sqlx::query_scalar!(
        r#"
        select (
            -- Along the index of owners, and no further than asked for.
            select count(*)
            from (
                select from ringback.job
                where job.owner = given.owner and job.owner <> 'anonymous'
                limit $2
            ) as jobs
        ) as "jobs!"
        from unnest($1::text[]) with ordinality as given (owner, place)
        order by given.place
        "#,
        owners as _,
        i64::try_from(most).unwrap_or(i64::MAX)
    )
    .fetch_all(connection)
    .await?;
    Ok(counts.into_iter().map(i64::unsigned_abs).collect())
}

/// How many jobs of all were not over when that was last sampled, some seconds ago.
///
/// # Errors
/// Those of the database.
pub async fn in_all(connection: &mut PgConnection) -> Result<u64, sqlx::Error> {
    let jobs = sqlx::query_scalar!(
        r#"
        select scheduled + held + ready + running + waiting as "jobs!"
        from ringback.sample
        order by at desc
        limit 1
        "#
    )
    .fetch_optional(connection)
    .await?;
    Ok(jobs.map_or(0, i64::unsigned_abs))
}
