//! `ringback serve`: a gateway.

use anyhow::Context;
use clap::Args;
use tokio::net::TcpListener;

use super::access::{access, tls};
use super::database::{self, Open};
use super::program::Asked;
use super::{files, fleet, metrics};
use crate::config::{DatabaseConfig, FleetConfig, GatewayConfig, LimitsConfig, TelemetryConfig};
use crate::gateway;
use crate::shutdown::Stop;
use crate::task::{Environment, Tasks};

/// Settings of `serve`.
#[derive(Args, Debug)]
pub(super) struct Serve {
    #[command(flatten)]
    database: DatabaseConfig,
    #[command(flatten)]
    fleet: FleetConfig,
    #[command(flatten)]
    gateway: GatewayConfig,
}

impl Serve {
    /// What it tells of itself while it runs.
    pub(super) fn telemetry(&self) -> &TelemetryConfig {
        &self.fleet.telemetry
    }

    /// What there is to say when it asks for its tasks: it does not run them.
    pub(super) fn asked(&self) -> anyhow::Result<Asked> {
        Asked::new(&self.fleet.tasks, Environment::Unread, 1.0)
    }

    pub(super) async fn run(self, tasks: Tasks) -> anyhow::Result<()> {
        let config = self.database.clone();
        // First of all: whoever may not start should not have touched anything.
        let settings = settings(&self.gateway, &self.fleet)?;
        database::until_stopped(&config, async |open, stop| {
            self.serve(open, tasks, settings, stop).await
        })
        .await
    }

    async fn serve(
        self,
        open: &Open,
        tasks: Tasks,
        settings: gateway::Settings,
        stop: Stop,
    ) -> anyhow::Result<()> {
        let prepare = open.prepare(self.fleet.migrate);
        let Some(prepared) = stop.run_until_cancelled(prepare).await else {
            return Ok(());
        };
        prepared?;
        let listener = bind(&self.gateway).await?;
        let mut parts = fleet::parts(&open.database, &self.fleet, &stop);
        metrics::serve(&self.fleet, &open.database, &mut parts, &stop).await?;
        parts.spawn(
            "gateway",
            gateway::run(
                listener,
                open.database.clone(),
                tasks,
                settings,
                stop.clone(),
            ),
        );
        parts.join(&stop).await
    }
}

pub(super) async fn bind(config: &GatewayConfig) -> anyhow::Result<TcpListener> {
    files::allow_all();
    TcpListener::bind(config.listen).await.with_context(|| {
        format!(
            "could not listen on {}; is something else there? (see --listen)",
            config.listen
        )
    })
}

pub(super) fn settings(
    gateway: &GatewayConfig,
    config: &FleetConfig,
) -> anyhow::Result<gateway::Settings> {
    fleet::check(config)?;
    Ok(gateway::Settings {
        max_frame: gateway.max_frame,
        ping_every: gateway.ping_every,
        ping_patience: gateway.ping_patience,
        hearing: fleet::hearing(config),
        keep_sessions: config.keep.sessions,
        keep_keys: config.keep.keys,
        keep_notices: config.keep.notices,
        keep_tickets: config.keep.tickets,
        grace: config.shutdown_grace,
        access: access(&gateway.access, gateway.listen)?,
        tls: tls(&gateway.access)?,
        limits: limits(&gateway.limits),
    })
}

fn limits(config: &LimitsConfig) -> gateway::Limits {
    gateway::Limits {
        content: config.max_content,
        connections: config.max_connections,
        connections_per_address: config.max_connections_per_address,
        sockets_per_subject: config.max_sockets_per_subject,
        rate_per_socket: config.max_rate_per_socket,
        rate_per_subject: config.max_rate_per_subject,
        waiting: config.max_waiting,
        waiting_per_subject: config.max_waiting_per_subject,
        trusted_proxies: config.trusted_proxies.clone(),
    }
}
