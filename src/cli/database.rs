//! Which database a verb works on, and for how long the private one is in use.

use std::error::Error;
use std::time::Duration;

use anyhow::Context;

use super::exit::Exit;
use super::prepare::check_place;
use crate::config::DatabaseConfig;
use crate::postgres::private::{self, Cluster, Durability};
use crate::postgres::{Address, Database, Link, advice, keeper};
use crate::shards::{Place, Shards};
use crate::shutdown::{self, Parts, Stop};

/// How long the server may take to let its connections go.
const GOODBYE: Duration = Duration::from_secs(2);

/// An open database.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) database: Database,
    pub(super) url: String,
    /// Another way to the same, past any pooler, where one is named.
    pub(super) direct_url: Option<String>,
    /// Which one it is, where there are several.
    pub(super) place: Place,
    seat: Option<Seat>,
}

/// Whether a private database may be made for a verb, or must be there.
#[derive(Clone, Copy, Debug)]
pub(super) enum Private {
    MayBeMade,
    MustBeThere,
}

/// A seat in the private cluster, and the watch over its server.
#[derive(Debug)]
struct Seat {
    cluster: Cluster,
    keeper: Parts,
    done: Stop,
}

/// Runs a verb that comes to an end by itself; stopped before that, it has failed.
pub(super) async fn once(
    config: &DatabaseConfig,
    private: Private,
    verb: impl AsyncFnOnce(&Shards<Open>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    // Heard from the beginning, so that a private server that is just being started is not left behind.
    let stop = shutdown::on_signal()?;
    let open = open(config, private, &stop).await?;
    // Boxed, since it may be large, and is made once.
    let ran = stop.run_until_cancelled(Box::pin(verb(&open))).await;
    leave_after(open, ran.unwrap_or_else(|| Err(Exit::Stopped.into()))).await
}

/// Runs a verb that goes on until it is stopped.
pub(super) async fn until_stopped(
    config: &DatabaseConfig,
    verb: impl AsyncFnOnce(&Shards<Open>, Stop) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    if config.shard.is_some() {
        let text =
            "--shard is for a command that comes to an end: what goes on works with all shards";
        return Err(Exit::Usage(text.to_owned()).into());
    }
    let stop = shutdown::on_signal()?;
    let open = match open(config, Private::MayBeMade, &stop).await {
        Err(_) if stop.is_cancelled() => return Ok(()),
        open => open?,
    };
    let ran = verb(&open, stop).await;
    leave_after(open, ran).await
}

/// Opens the databases named in the settings, or the private one, started if need be.
pub(super) async fn open(
    config: &DatabaseConfig,
    private: Private,
    stop: &Stop,
) -> anyhow::Result<Shards<Open>> {
    let addresses = Address::named(config).map_err(|error| Exit::Usage(error.to_string()))?;
    if let Some(addresses) = Shards::of_each(addresses) {
        return named(&addresses, config);
    }
    if config.shard.is_some() {
        return Err(Exit::Usage("--shard is one of those in DATABASE_URLS".to_owned()).into());
    }
    let (dir, stop) = (config.data_dir.clone(), stop.clone());
    let cluster = tokio::task::spawn_blocking(move || match private {
        Private::MayBeMade => private::ensure(&dir, Durability::Full, &stop),
        Private::MustBeThere => private::find(&dir, &stop),
    })
    .await
    .context("starting the private Postgres was interrupted")??;
    let url = cluster.url().to_owned();
    let database = Database::new(&url)?;
    let done = Stop::new();
    let mut keeper = Parts::default();
    let keeping = keeper::run(database.clone(), config.data_dir.clone(), done.clone());
    keeper.spawn("watch over the private Postgres", keeping);
    Ok(Shards::one(Open {
        database,
        url,
        direct_url: None,
        place: Place::ONLY,
        seat: Some(Seat {
            cluster,
            keeper,
            done,
        }),
    }))
}

/// Those that are named, or the one of them that is asked for.
fn named(addresses: &Shards<Address>, config: &DatabaseConfig) -> anyhow::Result<Shards<Open>> {
    let mut all = Vec::new();
    for (place, address) in addresses.places() {
        let is_asked_for = config.shard.is_none_or(|shard| shard.get() == place.number);
        if is_asked_for {
            all.push(Open {
                database: Database::at(address)?,
                url: address.url.clone(),
                direct_url: address.direct_url.clone(),
                place,
                seat: None,
            });
        }
    }
    let text = || format!("there is no such shard: there are {}", addresses.count());
    Ok(Shards::of_each(all).ok_or_else(|| Exit::Usage(text()))?)
}

/// Stops using them, whatever came of that; the last one to leave the private Postgres stops it.
async fn leave_after(opened: Shards<Open>, ran: anyhow::Result<()>) -> anyhow::Result<()> {
    let leaving = opened.into_each().map(Open::leave);
    let left = futures_util::future::join_all(leaving).await;
    match (ran, left.into_iter().collect()) {
        (Err(error), Err::<(), _>(also)) => {
            tracing::warn!("{also:#}");
            Err(error)
        }
        (ran, left) => ran.and(left),
    }
}

impl Open {
    /// Makes sure that its schema is this program's, and that it is the one of several shards that it is taken for.
    pub(super) async fn check(&self) -> anyhow::Result<()> {
        self.database.check_schema().await?;
        check_place(&self.database, self.place).await
    }

    pub(super) fn is_private(&self) -> bool {
        self.seat.is_some()
    }

    /// A connection to the server itself, for what a pooler cannot serve.
    pub(super) async fn direct_link(&self, name: &'static str) -> anyhow::Result<Link> {
        let mut link = self.database.direct_link(name);
        let is_shared = link.is_shared().await;
        if is_shared.with_context(|| format!("could not reach {}", self.database.name()))? {
            let text = "a pooler gives a server process for each transaction, and this needs one of its own: name the \
                        server itself in DIRECT_DATABASE_URL";
            return Err(Exit::Usage(text.to_owned()).into());
        }
        Ok(link)
    }

    async fn leave(self) -> anyhow::Result<()> {
        let Some(cluster) = self.close().await? else {
            return Ok(());
        };
        tokio::task::spawn_blocking(move || cluster.leave())
            .await
            .context("stopping the private Postgres was interrupted")?
    }

    /// Stops using it, but leaves a private Postgres running for whoever was told its URL.
    pub(super) async fn stay(self) -> anyhow::Result<()> {
        if let Some(cluster) = self.close().await? {
            cluster.stay();
        }
        Ok(())
    }

    async fn close(self) -> anyhow::Result<Option<Cluster>> {
        // A statement that was given up may hold its connection for as long as the server works on it.
        let _ = tokio::time::timeout(GOODBYE, self.database.close()).await;
        let Some(seat) = self.seat else {
            return Ok(None);
        };
        seat.done.cancel();
        seat.keeper.join(&seat.done).await?;
        Ok(Some(seat.cluster))
    }
}

/// An error with all its causes, and what to do where somebody has to do something.
pub(super) fn told(error: &anyhow::Error) -> String {
    match databases(error).find_map(advice) {
        Some(advice) => format!("{error:#} ({advice})"),
        None => format!("{error:#}"),
    }
}

/// What the database has to do with an error.
pub(super) fn databases(error: &anyhow::Error) -> impl Iterator<Item = &sqlx::Error> {
    error.chain().filter_map(<dyn Error>::downcast_ref)
}
