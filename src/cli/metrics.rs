//! Figures at an address of their own.

use anyhow::Context;
use tokio::net::TcpListener;

use crate::config::FleetConfig;
use crate::gateway::metrics;
use crate::postgres::Database;
use crate::shutdown::{Parts, Stop};

/// Serves them, where that is asked for, as one of `parts`.
pub(super) async fn serve(
    fleet: &FleetConfig,
    database: &Database,
    parts: &mut Parts,
    stop: &Stop,
) -> anyhow::Result<()> {
    let Some(address) = fleet.metrics_listen else {
        return Ok(());
    };
    let listener = TcpListener::bind(address).await.with_context(|| {
        format!("could not listen on {address} for the figures; is another process there? (see --metrics-listen)")
    })?;
    let address = listener
        .local_addr()
        .context("could not read the address of the figures")?;
    tracing::info!(%address, "serving figures");
    let served = metrics::serve(listener, database.clone(), stop.clone());
    parts.spawn("figures", served);
    Ok(())
}
