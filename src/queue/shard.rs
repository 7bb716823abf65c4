//! Which one of several databases this is.

use sqlx::PgConnection;

use crate::shards::Place;

/// Compares the place that a process takes this database to have with the one that it has had so far; where it has none,
/// it is given this one. Answers the place that it has.
///
/// # Errors
/// Those of the database.
pub async fn placed(connection: &mut PgConnection, place: Place) -> Result<Place, sqlx::Error> {
    let before = known(&mut *connection).await?;
    // What is not spread has no place, and is given none.
    if before.is_some() || place.of == 1 {
        return Ok(before.unwrap_or(Place::ONLY));
    }
    let number = i32::try_from(place.number).unwrap_or(i32::MAX);
    let shards = i32::try_from(place.of).unwrap_or(i32::MAX);
    sqlx::query!(
        "insert into ringback.shard (number, shards) values ($1, $2) on conflict do nothing",
        number,
        shards
    )
    .execute(&mut *connection)
    .await?;
    // Somebody else may have come first.
    Ok(known(connection).await?.unwrap_or(Place::ONLY))
}

/// The place that it has been given, if any.
///
/// # Errors
/// Those of the database.
pub async fn known(connection: &mut PgConnection) -> Result<Option<Place>, sqlx::Error> {
    let known = sqlx::query!("select number, shards from ringback.shard")
        .fetch_optional(connection)
        .await?;
    Ok(known.map(|row| Place {
        number: usize::try_from(row.number).unwrap_or_default(),
        of: usize::try_from(row.shards).unwrap_or_default(),
    }))
}
