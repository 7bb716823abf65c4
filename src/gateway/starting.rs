//! The gateway of one shard, and its parts: from when its database is there until everything has stopped.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;

use super::front::Front;
use super::hub::Hub;
use super::known_tasks::KnownTasks;
use super::subjects::Subjects;
use super::watch::Watched;
use super::{
    Gateway, acks, authenticate, expiry, feed::Feed, health::Health, intake, relay, waiting,
};
use crate::ids::JobIds;
use crate::postgres::{Database, Fault, Shard, patiently};
use crate::queue::fleet::{self, GatewayRow, Heard};
use crate::queue::tasks::{self, KnownTask, TaskRow};
use crate::shards::Place;
use crate::shutdown::{Parts, Stop};
use crate::task::Tasks;
use crate::wire::SYSTEM_GROUP;

/// How long a database that goes away at the start is waited for; one of several is waited for again.
const STARTING: Duration = Duration::from_secs(30);

/// What the gateway of a shard begins with.
pub(super) struct Starting {
    pub(super) front: Arc<Front>,
    pub(super) place: Place,
    pub(super) tasks: Tasks,
    pub(super) row: GatewayRow,
    /// Given when the web server has ended.
    pub(super) served: Stop,
}

impl Starting {
    /// Runs it, once its database is there, until the front is told to stop.
    pub(super) async fn run(self, shard: Shard) -> anyhow::Result<()> {
        let stop = self.front.stop.clone();
        let announced = stop.run_until_cancelled(async {
            shard.comes().await;
            self.announce(&shard.database).await
        });
        let Some(announced) = announced.await else {
            return Ok(());
        };
        let (heard, known) = announced.context("could not make this gateway known to the fleet")?;
        self.parts(shard.database, heard, known).join(&stop).await
    }

    /// Makes the gateway and its tasks known to the fleet.
    async fn announce(&self, database: &Database) -> Result<(Heard, Vec<KnownTask>), sqlx::Error> {
        let announce = async || {
            database
                .run(async |connection| {
                    tasks::register(&mut *connection, None, &TaskRow::all(&self.tasks)).await?;
                    let heard =
                        fleet::gateway_beat(&mut *connection, &self.row, 0, SYSTEM_GROUP).await?;
                    Ok((heard, tasks::all(connection).await?))
                })
                .await
        };
        loop {
            match patiently(STARTING, &announce).await {
                // The others go on meanwhile.
                Err(error) if self.place.of > 1 && Fault::of(&error) == Fault::Away => {}
                announced => return announced,
            }
        }
    }

    /// Starts the parts, and lets requests in.
    fn parts(self, database: Database, heard: Heard, all: Vec<KnownTask>) -> Parts {
        let Self {
            front,
            place,
            tasks,
            row,
            served,
        } = self;
        let (settings, stop) = (front.settings.clone(), front.stop.clone());
        let known = KnownTasks::new(tasks);
        known.replace(heard.tasks, all);
        let known = Arc::new(known);
        let hub = Arc::new(Hub::default());
        let watched = Arc::new(Watched::default());
        let feed = Arc::new(Feed::default());
        let health = Arc::new(Health::default());
        let subjects = Arc::new(Subjects::new(&settings.limits));
        let (submissions, receive) = mpsc::channel(intake::WAITING);
        let (acknowledged, acknowledgements) = mpsc::channel(acks::WAITING);
        let (wanted, look) = mpsc::channel(relay::WANTED);
        let relayed = Stop::new();
        let shared = Arc::new(Gateway {
            hub: Arc::clone(&hub),
            tasks: Arc::clone(&known),
            gateway: row.id,
            submissions,
            acknowledged,
            wanted: wanted.clone(),
            watched: Arc::clone(&watched),
            feed: Arc::clone(&feed),
            subjects: Arc::clone(&subjects),
            tickets: Semaphore::new(authenticate::AT_ONCE),
            health: Arc::clone(&health),
            stop: stop.clone(),
            relayed: relayed.clone(),
            settings: settings.clone(),
            database: database.clone(),
        });

        let mut parts = Parts::default();
        parts.spawn(
            "intake",
            intake::Intake {
                link: database.link("intake"),
                ids: JobIds::default(),
                hub: Arc::clone(&hub),
                gateway: row.id,
                keep_keys: settings.keep.keys,
                wanted,
            }
            .run(receive, served.clone()),
        );
        parts.spawn(
            "acknowledgements",
            acks::run(acknowledgements, database.link("acks"), served.clone()),
        );
        parts.spawn(
            "ends of tokens",
            expiry::run(Arc::clone(&hub), stop.clone()),
        );
        parts.spawn(
            "count of those who wait",
            waiting::run(subjects, database.link("waiting"), stop.clone()),
        );
        let watch = Arc::clone(&watched).run(database.link("watch"), stop.clone());
        parts.spawn("watch over jobs", watch);
        let asking = (database.link("health"), served);
        parts.spawn("health", async move {
            health.run(asking.0, asking.1).await;
            Ok(())
        });
        parts.spawn(
            "feed",
            feed.run(database.browsing_link("feed"), stop.clone()),
        );
        let relay = relay::Relay {
            link: database.link("relay"),
            database,
            gateway: row,
            hearing: settings.hearing,
            hub,
            watched,
            tasks: known,
            wanted: look,
            last_notice: heard.last_notice,
            let_go_at: Instant::now(),
        };
        parts.spawn("relay", relay.run(stop, relayed));
        front.open(place, shared);
        parts
    }
}
