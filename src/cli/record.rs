//! Records what an operator is about to do.

use anyhow::Context;
use sqlx::PgConnection;

use crate::postgres::link::limited;
use crate::queue::{Deed, operator_log};

/// Records it, by the role of the database that does it.
pub(super) async fn record(
    connection: &mut PgConnection,
    deed: Deed,
    on_what: &[String],
) -> anyhow::Result<()> {
    limited(operator_log::record(connection, None, deed, on_what))
        .await
        .context("could not record this in ringback.operator_log; nothing was done")
}
