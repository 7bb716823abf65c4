//! Figures for machines, in the text format of Prometheus.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::future::join_all;
use tokio::net::TcpListener;

use super::door::Door;
use super::front::Front;
use super::{Limits, Shared, health};
use crate::postgres::{Database, PoolUse, Shard};
use crate::queue::backlog::{Backlog, backlog};
use crate::shards::Shards;
use crate::shutdown::Stop;
use crate::telemetry::{FIGURES, Reading, text_of};

/// The format and its version.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// How long a database is waited for: whoever gathers figures gives up after ten seconds, and what this process has counted
/// is wanted most when a database hangs.
const ASKING: Duration = Duration::from_secs(3);

/// How long answers on their way may still take after a stop was asked for.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

/// A figure of each queue: its name, what it says, and where it is.
type OfQueue = (&'static str, &'static str, fn(&Backlog) -> f64);

const OF_QUEUES: [OfQueue; 8] = [
    ("jobs_ready", "Jobs that may start", |it| count(it.ready)),
    ("jobs_scheduled", "Jobs that start later", |it| {
        count(it.scheduled)
    }),
    ("jobs_held", "Jobs that are over a limit", |it| {
        count(it.held)
    }),
    ("jobs_running", "Jobs that run", |it| count(it.running)),
    ("jobs_waiting", "Jobs that wait for a callback", |it| {
        count(it.waiting)
    }),
    (
        "oldest_wait_seconds",
        "For how long the job has been ready that waits longest",
        |it| it.oldest_wait,
    ),
    ("workers", "Workers that claim from the queue", |it| {
        count(it.workers)
    }),
    (
        "slots",
        "Jobs that these workers can run at once, at most: they share their slots among their queues",
        |it| count(it.slots),
    ),
];

/// The same of a pool of connections.
type OfPool = (&'static str, &'static str, fn(&PoolUse) -> u32);

const OF_POOLS: [OfPool; 3] = [
    (
        "pool_connections",
        "Connections that a pool has open",
        |it| it.open,
    ),
    ("pool_used", "Connections of a pool that are in use", |it| {
        it.used
    }),
    ("pool_most", "Connections that a pool may have", |it| {
        it.most
    }),
];

/// Those of the queues, which every gateway knows, and of this process.
pub(super) async fn metrics(State(front): State<Arc<Front>>) -> Response {
    let gateways: Vec<&Shared> = front.places().filter_map(|(_, shared)| shared).collect();
    let asked = gateways.iter().map(async |shared| {
        let queues = shared
            .database
            .browse_for(ASKING, async |connection| backlog(connection).await);
        queues.await.map_err(|error| {
            tracing::debug!(%error, "could not read the figures of the queues");
        })
    });
    let answers = join_all(asked).await;
    let answered: Vec<Vec<Backlog>> = answers.into_iter().flatten().collect();
    let are_there = answered.len() == front.count();
    let queues = together(answered.into_iter().flatten());
    let databases = gateways.iter().map(|shared| &shared.database);
    answer(of_queues(&queues) + &of_the_database(are_there) + &of_this_process(databases))
}

/// What waits in queues of the same name, which are one queue in several databases. Their workers work with all of these.
fn together(queues: impl Iterator<Item = Backlog>) -> Vec<Backlog> {
    let mut all: BTreeMap<String, Backlog> = BTreeMap::new();
    for queue in queues {
        match all.entry(queue.queue.clone()) {
            Entry::Vacant(place) => {
                place.insert(queue);
            }
            Entry::Occupied(mut place) => {
                let sum = place.get_mut();
                sum.ready += queue.ready;
                sum.scheduled += queue.scheduled;
                sum.held += queue.held;
                sum.running += queue.running;
                sum.waiting += queue.waiting;
                sum.oldest_wait = sum.oldest_wait.max(queue.oldest_wait);
                sum.workers = sum.workers.max(queue.workers);
                sum.slots = sum.slots.max(queue.slots);
            }
        }
    }
    all.into_values().collect()
}

/// Serves the figures of this process alone, to whoever reaches the address, until it is told to stop.
pub async fn serve(listener: TcpListener, shards: Shards<Shard>, stop: Stop) {
    let metrics = async move |State(shards): State<Shards<Shard>>| {
        let databases = shards.iter().map(|shard| &shard.database);
        answer(of_this_process(databases))
    };
    let router = Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(health::healthz))
        .with_state(shards);
    let door = Door::new(listener, None, router, &Limits::default());
    tokio::select! {
        () = door.run(&stop) => {}
        // Whoever has not said by then what it wants keeps nothing from stopping.
        () = async { stop.cancelled().await; tokio::time::sleep(LAST_ANSWERS).await } => {}
    }
}

fn answer(text: String) -> Response {
    (StatusCode::OK, [(header::CONTENT_TYPE, TEXT)], text).into_response()
}

fn of_queues(queues: &[Backlog]) -> String {
    let reading = |(name, help, figure): OfQueue| Reading {
        name,
        help,
        label: "queue",
        values: queues
            .iter()
            .map(|queue| (queue.queue.as_str(), figure(queue)))
            .collect(),
    };
    text_of(OF_QUEUES.map(reading).into())
}

fn of_the_database(is_there: bool) -> String {
    text_of(vec![Reading {
        name: "database_up",
        help: "Whether the database has answered what waits in the queues",
        label: "asked",
        values: vec![("queues", f64::from(u8::from(is_there)))],
    }])
}

fn of_this_process<'a>(databases: impl Iterator<Item = &'a Database>) -> String {
    let pools = databases.map(Database::pools).reduce(|sum, of_one| {
        let both = sum.into_iter().zip(of_one);
        both.map(|(sum, of_one)| sum.and(of_one)).collect()
    });
    let pools = pools.unwrap_or_default();
    let reading = |(name, help, figure): OfPool| Reading {
        name,
        help,
        label: "pool",
        values: pools
            .iter()
            .map(|pool| (pool.name, f64::from(figure(pool))))
            .collect(),
    };
    FIGURES.text() + &text_of(OF_POOLS.map(reading).into())
}

/// No such number is larger than a float has room for.
fn count(number: i64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The names of figures in a text, as they are exposed: those of a histogram have three endings.
    fn named(text: &str) -> BTreeSet<String> {
        let is_in_it = |c: char| c.is_ascii_lowercase() || c == '_';
        let names = text.split("ringback_").skip(1).map(|rest| {
            let end = rest.find(|c| !is_in_it(c)).unwrap_or(rest.len());
            let name = rest[..end].trim_end_matches('_');
            let histogram = ["_bucket", "_sum", "_count"].iter();
            let plain = histogram.fold(name, |name, ending| name.trim_end_matches(ending));
            plain.to_owned()
        });
        names.collect()
    }

    #[tokio::test]
    async fn the_dashboard_the_alerts_and_the_manual_name_the_figures_that_there_are() {
        // Those that have a label are there once something was counted.
        FIGURES.ended("a", "failed");
        FIGURES.retried("a");
        FIGURES.went_back("a");
        FIGURES.waited("a", [Duration::ZERO]);
        FIGURES.ran("a", Duration::ZERO);
        FIGURES.batch("claim", 1);
        FIGURES.closed("too_slow");
        FIGURES.connected("claimer");
        let database = Database::new("postgres://nobody@localhost/nothing").unwrap();
        let queue = Backlog {
            queue: "a".to_owned(),
            ready: 0,
            scheduled: 0,
            held: 0,
            running: 0,
            waiting: 0,
            oldest_wait: 0.0,
            workers: 0,
            slots: 0,
        };
        let texts = [
            of_queues(&[queue]),
            of_the_database(true),
            of_this_process([&database].into_iter()),
        ];
        let there_are = named(&texts.concat());
        assert!(there_are.contains("wait_seconds") && there_are.contains("jobs_total"));
        let dashboard = named(include_str!("../../deploy/grafana/ringback.json"));
        assert_eq!(dashboard, there_are);
        let manual = named(include_str!("../../docs/operations.md"));
        assert_eq!(manual, there_are);
        let alerts = named(include_str!("../../deploy/prometheus/alerts.yaml"));
        assert!(alerts.is_subset(&there_are), "{alerts:?}");
        assert!(alerts.len() > 10);
    }

    #[test]
    fn each_figure_has_a_line_for_each_queue_whatever_that_is_called() {
        let queue = |name: &str, ready| Backlog {
            queue: name.to_owned(),
            ready,
            scheduled: 0,
            held: 0,
            running: 0,
            waiting: 0,
            oldest_wait: 1.5,
            workers: 1,
            slots: 256,
        };
        let text = of_queues(&[queue("default", 3), queue("a \"b\"\n\\", 0)]);
        assert!(text.contains("# TYPE ringback_jobs_ready gauge\n"));
        assert!(text.contains("\nringback_jobs_ready{queue=\"default\"} 3.0\n"));
        assert!(text.contains("ringback_oldest_wait_seconds{queue=\"default\"} 1.5\n"));
        assert!(text.contains(r#"ringback_slots{queue="a \"b\"\n\\"} 256.0"#));
        assert_eq!(text.lines().count(), OF_QUEUES.len() * 4);
    }
}
