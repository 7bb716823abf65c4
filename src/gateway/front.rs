//! The front of the gateway: whose a request is decides which of several databases has what is theirs.
//!
//! Each database has a gateway of its own behind it, in this process; where there is one database, it is the only one.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use super::api::Refused;
use super::crowd::Crowd;
use super::{Settings, Shared};
use crate::auth::Identity;
use crate::ids::JobId;
use crate::postgres::Shard;
use crate::queue::jobs::{self, Filter};
use crate::shards::{Place, Shards};
use crate::shutdown::Stop;
use crate::wire::ErrorItem;

/// How long those databases are waited for that are not there when the gateway starts.
const PATIENCE: Duration = Duration::from_secs(5);

/// What every request can reach.
#[derive(Debug)]
pub(super) struct Front {
    shards: Shards<Opening>,
    /// Who everybody is, where there is no authentication.
    pub(super) anyone: Arc<Identity>,
    /// Sockets by the address for which a trusted proxy speaks.
    pub(super) proxied: Arc<Crowd<IpAddr>>,
    pub(super) sockets: TaskTracker,
    pub(super) stop: Stop,
    pub(super) settings: Settings,
}

/// Where the gateway of a shard is, once its database has been reached.
#[derive(Debug, Default)]
struct Opening {
    gateway: OnceLock<Shared>,
    /// Given then.
    opened: Stop,
}

impl Front {
    pub(super) fn new(shards: &Shards<Shard>, settings: Settings, stop: Stop) -> Self {
        Self {
            shards: shards.map_each(|_, _| Opening::default()),
            anyone: Arc::new(Identity::anyone()),
            proxied: Crowd::new(settings.limits.connections_per_address),
            sockets: TaskTracker::new(),
            stop,
            settings,
        }
    }

    /// From now on there is a gateway for the shard of this place.
    pub(super) fn open(&self, place: Place, gateway: Shared) {
        if let Some(opening) = self.shards.at(place.number) {
            let is_first = opening.gateway.set(gateway).is_ok();
            debug_assert!(is_first, "each shard is opened once");
            opening.opened.cancel();
        }
    }

    /// Waits until there is a gateway for each, but for those whose database is away not for long.
    pub(super) async fn wait(&self) {
        let all = join_all(self.shards.iter().map(|opening| opening.opened.cancelled()));
        if self.shards.count() == 1 {
            all.await;
        } else {
            let _ = timeout(PATIENCE, all).await;
        }
    }

    /// That of an owner.
    pub(super) fn of(&self, owner: &str) -> Result<Shared, Refused> {
        there(self.shards.of(owner))
    }

    /// That of the shard with this number.
    pub(super) fn numbered(&self, number: usize) -> Option<Result<Shared, Refused>> {
        self.shards.at(number).map(there)
    }

    /// The same, or any, for what is alike in all of them.
    pub(super) fn of_or_any(&self, owner: &str) -> Result<Shared, Refused> {
        self.of(owner)
            .or_else(|away| self.any().cloned().ok_or(away))
    }

    /// Those that are there, with their places.
    pub(super) fn places(&self) -> impl Iterator<Item = (Place, Option<&Shared>)> {
        let places = self.shards.places();
        places.map(|(place, opening)| (place, opening.gateway.get()))
    }

    /// Any that is there.
    pub(super) fn any(&self) -> Option<&Shared> {
        self.shards.iter().find_map(|opening| opening.gateway.get())
    }

    /// How many shards there are.
    pub(super) fn count(&self) -> usize {
        self.shards.count()
    }

    /// The one whose database has this job; any, where none has it.
    pub(super) async fn of_job(&self, job: JobId) -> Result<Shared, Refused> {
        if let Some(only) = self.shards.only() {
            return there(only);
        }
        let which = Filter {
            ids: Some(vec![job]),
            ..Filter::default()
        };
        let having = self.first(|shared| async {
            let found = shared
                .database
                .run(async |connection| jobs::ids(connection, &which).await);
            match found.await {
                Ok(found) => Ok((!found.is_empty()).then_some(shared)),
                Err(error) => Err(Refused::by_the_database(&error, "look for a job")),
            }
        });
        let having = having.await?;
        having.or_else(|| self.any().cloned()).ok_or_else(away)
    }

    /// What the first of them gives that has it: it answers for all, also while another is away or hangs. Where none has it,
    /// one that could not say refuses.
    pub(super) async fn first<T, F>(&self, ask: impl Fn(Shared) -> F) -> Result<Option<T>, Refused>
    where
        F: Future<Output = Result<Option<T>, Refused>>,
    {
        let asked = self.shards.iter().map(|opening| {
            let asked = there(opening).map(&ask);
            async { asked?.await }
        });
        let mut asked: FuturesUnordered<_> = asked.collect();
        let mut refused = None;
        while let Some(answer) = asked.next().await {
            match answer {
                Ok(Some(it)) => return Ok(Some(it)),
                Ok(None) => {}
                Err(error) => refused = Some(error),
            }
        }
        refused.map_or(Ok(None), Err)
    }

    /// The gateway is stopping: every socket is told.
    pub(super) fn stop_sockets(&self) {
        for (_, shared) in self.places() {
            if let Some(shared) = shared {
                shared.hub.stop();
            }
        }
    }
}

fn there(opening: &Opening) -> Result<Shared, Refused> {
    opening.gateway.get().cloned().ok_or_else(away)
}

fn away() -> Refused {
    ErrorItem::away().into()
}
