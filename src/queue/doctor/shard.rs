//! Whether a database is the one of several shards that it is taken for.

use sqlx::PgConnection;

use super::{Check, Finding, Status};
use crate::queue::shard;
use crate::shards::Place;

const CHECK: Check = Check::Shard;

pub(super) async fn look(
    connection: &mut PgConnection,
    place: Place,
) -> Result<Vec<Finding>, sqlx::Error> {
    let words = |Place { number, of }| format!("{number} of {of}");
    let found = match shard::known(connection).await? {
        None if place == Place::ONLY => "the only one".to_owned(),
        None => format!("no process has used it yet; it is to be {}", words(place)),
        Some(known) if known == place => words(known),
        Some(known) => {
            let found = format!(
                "it is {}, and is named here as {}",
                words(known),
                words(place)
            );
            let advice = "name all shards in DATABASE_URLS, in the same order everywhere: no process works with it as it is; \
                          docs/scaling.md says how their number is changed";
            return Ok(vec![Finding::new(CHECK, Status::Problem, found, advice)]);
        }
    };
    Ok(vec![Finding::ok(CHECK, found)])
}
