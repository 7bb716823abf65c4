//! Figures for machines, in the text format of Prometheus.

use anyhow::Context;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;

use super::Shared;
use super::health;
use crate::postgres::Database;
use crate::postgres::link::limited;
use crate::queue::backlog::{Backlog, backlog};
use crate::shutdown::Stop;
use crate::telemetry::{FIGURES, Reading, text_of};

/// The format and its version.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A figure of each queue: its name, what it says, and where it is.
type Figure = (&'static str, &'static str, fn(&Backlog) -> f64);

const OF_QUEUES: [Figure; 8] = [
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

/// Those of the queues, which every gateway knows, and of this process.
pub(super) async fn metrics(State(shared): State<Shared>) -> Response {
    let database = &shared.database;
    let queues = limited(backlog(database.browsing())).await;
    let is_there = queues.is_ok();
    let queues = queues.unwrap_or_else(|error| {
        // What this process has counted is wanted most when the database is away.
        tracing::debug!(%error, "could not read the figures of the queues");
        Vec::new()
    });
    answer(of_queues(&queues) + &of_the_database(is_there) + &of_this_process(database))
}

/// Serves the figures of this process alone, to whoever reaches the address, until it is told to stop.
///
/// # Errors
/// When the listener fails.
pub async fn serve(listener: TcpListener, database: Database, stop: Stop) -> anyhow::Result<()> {
    let metrics = async move |State(database): State<Database>| answer(of_this_process(&database));
    let router = Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(health::healthz))
        .with_state(database);
    let stopped = async move { stop.cancelled().await };
    let serving = axum::serve(listener, router).with_graceful_shutdown(stopped);
    serving.await.context("could not serve the figures")
}

fn answer(text: String) -> Response {
    (StatusCode::OK, [(header::CONTENT_TYPE, TEXT)], text).into_response()
}

fn of_queues(queues: &[Backlog]) -> String {
    let reading = |(name, help, figure): Figure| Reading {
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

fn of_this_process(database: &Database) -> String {
    let pools = database.pools();
    let reading = |name, help, values| Reading {
        name,
        help,
        label: "pool",
        values,
    };
    let open = pools.iter().map(|pool| (pool.name, f64::from(pool.open)));
    let used = pools.iter().map(|pool| (pool.name, f64::from(pool.used)));
    let most = pools.iter().map(|pool| (pool.name, f64::from(pool.most)));
    let of_pools = text_of(vec![
        reading(
            "pool_connections",
            "Connections that a pool has open",
            open.collect(),
        ),
        reading(
            "pool_used",
            "Connections of a pool that are in use",
            used.collect(),
        ),
        reading(
            "pool_most",
            "Connections that a pool may have",
            most.collect(),
        ),
    ]);
    FIGURES.text() + &of_pools
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
        FIGURES.waited("a", std::time::Duration::ZERO);
        FIGURES.ran("a", std::time::Duration::ZERO);
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
            of_this_process(&database),
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
