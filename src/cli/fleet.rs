//! What every long-lived verb has beside its own part.

use std::net::SocketAddr;

use anyhow::Context;
use futures_util::FutureExt;
use futures_util::future::try_join_all;
use tokio::net::TcpListener;

use super::database::Open;
use super::exit::Exit;
use super::prepare::Preparation;
use crate::config::{DatabaseConfig, FleetConfig};
use crate::gateway::metrics;
use crate::nats::Servers;
use crate::postgres::Shard;
use crate::postgres::listener::Hearing;
use crate::shards::{Place, Shards};
use crate::shutdown::{Parts, Stop};
use crate::sweeper;

/// A long-lived verb: its databases, and its parts. Every such verb has those that keep the tables of each database true,
/// and its figures at an address of their own, where that is asked for.
pub(super) struct Fleet {
    pub(super) shards: Shards<Shard>,
    pub(super) parts: Parts,
    /// What is done with those that are not there yet.
    preparing: Vec<(Preparation, Shard)>,
}

impl Fleet {
    /// Starts it: the only database is there then; of several, each comes when it can be reached. None, where it was
    /// stopped meanwhile.
    pub(super) async fn start(
        opened: &Shards<Open>,
        fleet: &FleetConfig,
        migrate: bool,
        stop: &Stop,
    ) -> anyhow::Result<Option<Self>> {
        let servers = nats(fleet.nats_url.as_deref())?;
        let shards = opened.map_each(|_, open| Shard::awaited(open.database.clone()));
        let mut parts = Parts::default();
        let mut preparing = Vec::new();
        for (open, shard) in opened.iter().zip(shards.iter()) {
            let preparation = Preparation::of(open, migrate, servers.clone());
            if opened.count() == 1 {
                // Whoever cannot start says so before anything else is touched.
                let Some(prepared) = stop.run_until_cancelled(preparation.run()).await else {
                    return Ok(None);
                };
                prepared?;
                shard.came();
            } else {
                preparing.push((preparation, shard.clone()));
            }
            let keep = fleet.keep.of_shard(open.place);
            if open.place != Place::ONLY
                && let Some(folder) = &keep.export_history
            {
                // In one that is there, which may be a disk of its own; where it cannot be made, the export says so.
                let _ = tokio::fs::create_dir(folder).await;
            }
            let sweep = sweeper::run(shard.database.clone(), keep, stop.clone()).boxed();
            let (shard, stop) = (shard.clone(), stop.clone());
            parts.spawn("sweeper", async move {
                match stop.run_until_cancelled(shard.comes()).await {
                    Some(()) => sweep.await,
                    None => Ok(()),
                }
            });
        }
        if let Some(address) = fleet.metrics_listen {
            let figures = metrics::serve(bind(address).await?, shards.clone(), stop.clone());
            parts.spawn("figures", async move {
                figures.await;
                Ok(())
            });
        }
        Ok(Some(Self {
            shards,
            parts,
            preparing,
        }))
    }

    /// Goes on until it is stopped, or cannot.
    pub(super) async fn join(self, stop: &Stop) -> anyhow::Result<()> {
        let prepared = self.preparing.iter().map(async |(preparation, shard)| {
            let prepared = stop.run_until_cancelled(preparation.run_patiently());
            match prepared.await {
                Some(Ok(())) => shard.came(),
                Some(Err(error)) => {
                    stop.cancel();
                    return Err(error);
                }
                None => {}
            }
            Ok(())
        });
        let (prepared, ran) = tokio::join!(try_join_all(prepared), self.parts.join(stop));
        ran.and(prepared.map(|_| ()))
    }
}

/// Where the figures are asked for.
async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address).await.with_context(|| {
        format!("could not listen on {address} for the figures; is another process there? (see --metrics-listen)")
    })?;
    let address = listener
        .local_addr()
        .context("could not read the address of the figures")?;
    tracing::info!(%address, "serving figures");
    Ok(listener)
}

/// Whether the settings suit each other: whoever may not start should not have touched anything.
pub(super) fn check(fleet: &FleetConfig, database: &DatabaseConfig) -> anyhow::Result<()> {
    if !fleet.poll_only && !database.has_direct_way() {
        let text = "no hint comes through this pooler: name the server itself in DIRECT_DATABASE_URL, or do without \
                    hints (--poll-only)";
        return Err(Exit::Usage(text.to_owned()).into());
    }
    fleet.keep.check().map_err(Exit::Usage)?;
    nats(fleet.nats_url.as_deref())?;
    Ok(())
}

/// The servers of NATS, where some are named. An empty setting is as good as none.
pub(super) fn nats(url: Option<&str>) -> anyhow::Result<Option<Servers>> {
    let servers = url.filter(|url| !url.is_empty()).map(str::parse::<Servers>);
    let servers = servers.transpose();
    Ok(servers.map_err(|error| Exit::Usage(format!("{error:#}")))?)
}

/// Whether hints are listened for.
pub(super) fn hearing(poll_only: bool) -> Hearing {
    if poll_only {
        Hearing::PollOnly
    } else {
        Hearing::Hints
    }
}
