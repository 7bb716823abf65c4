//! The schema: all of this program's migrations, in its words.

use sqlx::PgConnection;

use super::figures::few;
use super::{Check, Finding, Status, or_ok};
use crate::postgres::schema::Schema;

const CHECK: Check = Check::Schema;

pub(super) async fn look(connection: &mut PgConnection) -> Result<Vec<Finding>, sqlx::Error> {
    let schema = Schema::read(connection).await?;
    let mut findings = Vec::new();
    if schema.applied == 0 && schema.newer == 0 && schema.unfinished.is_empty() {
        let found = "this database has no schema of Ringback's";
        let advice = "ringback migrate; or let DATABASE_URL name the database that has it";
        return Ok(vec![Finding::new(CHECK, Status::Problem, found, advice)]);
    }
    if !schema.missing.is_empty() {
        findings.push(Finding::new(
            CHECK,
            Status::Problem,
            format!("older than this program; missing: {}", few(&schema.missing)),
            "ringback migrate, as the owner of the schema",
        ));
    }
    if !schema.unfinished.is_empty() {
        findings.push(Finding::new(
            CHECK,
            Status::Problem,
            format!(
                "migrations that have not succeeded: {:?}",
                schema.unfinished
            ),
            "ringback migrate, as the owner of the schema; its error says what is in the way",
        ));
    }
    if !schema.changed.is_empty() {
        findings.push(Finding::new(
            CHECK,
            Status::Problem,
            format!("made by other migrations than this program's: {}", few(&schema.changed)),
            "use the program of the release that made it: a migration never changes once it is released",
        ));
    }
    let applied = schema.applied;
    let found = match schema.newer {
        0 => format!("all {applied} migrations of this program"),
        newer => format!(
            "all {applied} migrations of this program, and {newer} of a newer one, which it works with"
        ),
    };
    Ok(or_ok(findings, CHECK, found))
}
