//! `ringback serve`: a gateway.

use anyhow::Context;
use clap::Args;
use tokio::net::TcpListener;

use super::database::{self, Open};
use crate::config::{DatabaseConfig, FleetConfig, GatewayConfig};
use crate::gateway;
use crate::postgres::listener::Hearing;
use crate::shutdown::{Parts, Stop, on_signal};
use crate::sweeper;
use crate::task::Tasks;

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
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let stop = Stop::new();
        let open = database::open_or_create(&self.database).await?;
        let served = self.serve(&open, stop).await;
        served.and(open.leave().await)
    }

    async fn serve(self, open: &Open, stop: Stop) -> anyhow::Result<()> {
        open.prepare(self.fleet.migrate).await?;
        let listener = bind(&self.gateway).await?;
        let settings = settings(&self.gateway, &self.fleet);
        let tasks = Tasks::demonstration(1.0);
        let mut parts = Parts::default();
        parts.spawn("signal watch", on_signal(stop.clone()));
        parts.spawn(
            "sweeper",
            sweeper::run(open.database.clone(), self.fleet.keep_history, stop.clone()),
        );
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
    TcpListener::bind(config.listen).await.with_context(|| {
        format!(
            "could not listen on {}; is something else there? (see --listen)",
            config.listen
        )
    })
}

pub(super) fn settings(gateway: &GatewayConfig, fleet: &FleetConfig) -> gateway::Settings {
    gateway::Settings {
        max_frame: gateway.max_frame,
        hearing: hearing(fleet),
        grace: fleet.shutdown_grace,
    }
}

pub(super) fn hearing(fleet: &FleetConfig) -> Hearing {
    if fleet.poll_only {
        Hearing::PollOnly
    } else {
        Hearing::Hints
    }
}
