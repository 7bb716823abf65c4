//! `ringback serve`: a gateway.

use anyhow::Context;
use clap::Args;
use tokio::net::TcpListener;

use super::access::{access, tls};
use super::database::{self, Open};
use super::files;
use super::fleet::{self, Fleet};
use super::program::Asked;
use crate::config::{DatabaseConfig, FleetConfig, GatewayConfig, LimitsConfig, TelemetryConfig};
use crate::gateway;
use crate::shards::Shards;
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
        fleet::check(&self.fleet, &config)?;
        let settings = settings(&self.gateway, &self.fleet)?;
        database::until_stopped(&config, async |opened, stop| {
            self.serve(opened, tasks, settings, stop).await
        })
        .await
    }

    async fn serve(
        self,
        opened: &Shards<Open>,
        tasks: Tasks,
        settings: gateway::Settings,
        stop: Stop,
    ) -> anyhow::Result<()> {
        let migrate = self.fleet.migrate;
        let started = Fleet::start(opened, &self.fleet, migrate, &stop).await?;
        let Some(mut fleet) = started else {
            return Ok(());
        };
        let listener = bind(&self.gateway).await?;
        let serving = gateway::run(
            listener,
            fleet.shards.clone(),
            tasks,
            settings,
            stop.clone(),
        );
        fleet.parts.spawn("gateway", serving);
        fleet.join(&stop).await
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
    Ok(gateway::Settings {
        max_frame: gateway.max_frame,
        ping_every: gateway.ping_every,
        ping_patience: gateway.ping_patience,
        hearing: fleet::hearing(config.poll_only),
        keep: config.keep.clone(),
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
