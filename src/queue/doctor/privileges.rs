//! Whether this login may do what a gateway and a worker do.

use sqlx::PgConnection;

use super::figures::few;
use super::{Check, Finding, Status};

const CHECK: Check = Check::Privileges;

pub(super) async fn look(connection: &mut PgConnection) -> Result<Vec<Finding>, sqlx::Error> {
    let who = sqlx::query!(
        r#"
        select
            current_user::text as "login!", quote_literal(current_user) as "quoted!",
            to_regnamespace('ringback') is not null as "there!"
        "#
    )
    .fetch_one(&mut *connection)
    .await?;
    if !who.there {
        let found = "there is no schema yet";
        return Ok(vec![Finding::new(
            CHECK,
            Status::Unseen,
            found,
            "see the check schema",
        )]);
    }
    let lacks = sqlx::query_file_scalar!("src/queue/doctor/privileges.sql")
        .fetch_all(connection)
        .await?;
    let login = who.login;
    if lacks.is_empty() {
        let found = format!("{login} may do what a gateway and a worker do");
        return Ok(vec![Finding::ok(CHECK, found)]);
    }
    Ok(vec![Finding::new(
        CHECK,
        Status::Problem,
        format!("{login} may not: {}", few(&lacks)),
        format!(
            "select ringback.grant_program({}), as the owner of the schema",
            who.quoted
        ),
    )])
}
