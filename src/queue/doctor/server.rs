//! The server: new enough, and one that can be written to.

use sqlx::PgConnection;

use super::figures::time;
use super::{Check, Finding, Status, or_ok};
use crate::postgres::schema::OLDEST_SERVER;

const CHECK: Check = Check::Server;

pub(super) async fn look(connection: &mut PgConnection) -> Result<Vec<Finding>, sqlx::Error> {
    let server = sqlx::query!(
        r#"
        select
            current_setting('server_version') as "version!",
            current_setting('server_version_num')::integer as "number!",
            pg_is_in_recovery() as "standby!",
            -- Not the transaction's own: as every other connection of this login has it.
            (select reset_val from pg_settings where name = 'default_transaction_read_only') as "read_only!",
            quote_ident(current_database()) as "database!",
            extract(epoch from clock_timestamp() - pg_postmaster_start_time())::double precision as "up!"
        "#
    )
    .fetch_one(connection)
    .await?;
    let version = server.version;
    let mut findings = Vec::new();
    if server.number < OLDEST_SERVER {
        findings.push(Finding::new(
            CHECK,
            Status::Problem,
            format!("PostgreSQL {version} is older than 15"),
            "upgrade the server to PostgreSQL 15 or newer",
        ));
    }
    if server.standby {
        findings.push(Finding::new(
            CHECK,
            Status::Problem,
            format!("PostgreSQL {version} is a standby: nothing can be written to it"),
            "let DATABASE_URL name the primary; or `select pg_promote()`, where this one is to be it",
        ));
    } else if server.read_only == "on" {
        findings.push(Finding::new(
            CHECK,
            Status::Problem,
            "what this login begins may only read (default_transaction_read_only)",
            format!(
                "alter role current_user reset default_transaction_read_only; alter database {} reset default_transaction_read_only; and look for it in postgresql.conf",
                server.database
            ),
        ));
    }
    let found = format!("PostgreSQL {version}, up for {}", time(server.up));
    Ok(or_ok(findings, CHECK, found))
}
