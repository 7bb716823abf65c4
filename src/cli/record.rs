//! Records what an operator is about to do.

use anyhow::Context;

use crate::postgres::Database;
use crate::queue::{Deed, operator_log};

/// Records it, by the role of the database that does it.
pub(super) async fn record(
    database: &Database,
    deed: Deed,
    on_what: &[String],
) -> anyhow::Result<()> {
    let recorded = database
        .run(async |connection| operator_log::record(connection, None, deed, on_what).await);
    recorded
        .await
        .context("could not record this in ringback.operator_log; nothing was done")
}
