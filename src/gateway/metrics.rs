//! Figures for machines, in the text format of Prometheus.

use std::fmt::Write;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::Shared;
use super::api::Refused;
use crate::postgres::link::limited;
use crate::queue::backlog::{Backlog, backlog};

/// The format and its version.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A figure of each queue: its name, what it says, and where it is.
type Figure = (&'static str, &'static str, fn(&Backlog) -> f64);

const FIGURES: [Figure; 8] = [
    ("jobs_ready", "Jobs that may start.", |it| count(it.ready)),
    ("jobs_scheduled", "Jobs that start later.", |it| {
        count(it.scheduled)
    }),
    ("jobs_held", "Jobs that are over a limit.", |it| {
        count(it.held)
    }),
    ("jobs_running", "Jobs that run.", |it| count(it.running)),
    ("jobs_waiting", "Jobs that wait for a callback.", |it| {
        count(it.waiting)
    }),
    (
        "oldest_wait_seconds",
        "For how long the job has been ready that waits longest.",
        |it| it.oldest_wait,
    ),
    ("workers", "Workers that claim from the queue.", |it| {
        count(it.workers)
    }),
    (
        "slots",
        "Jobs that these workers can run at once, at most: they share their slots among their queues.",
        |it| count(it.slots),
    ),
];

pub(super) async fn metrics(State(shared): State<Shared>) -> Response {
    match limited(backlog(shared.database.browsing())).await {
        Ok(queues) => {
            let text = exposed(&queues);
            (StatusCode::OK, [(header::CONTENT_TYPE, TEXT)], text).into_response()
        }
        Err(error) => Refused::by_the_database(&error, "read the figures").into_response(),
    }
}

fn exposed(queues: &[Backlog]) -> String {
    let mut text = String::new();
    for (name, help, figure) in FIGURES {
        let name = format!("ringback_{name}");
        // Writing into a text does not fail.
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
        for queue in queues {
            let label = queue.queue.replace('\\', r"\\").replace('"', "\\\"");
            let label = label.replace('\n', r"\n");
            let _ = writeln!(text, "{name}{{queue=\"{label}\"}} {}", figure(queue));
        }
    }
    text
}

/// No such number is larger than a float has room for.
fn count(number: i64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let text = exposed(&[queue("default", 3), queue("a \"b\"\n\\", 0)]);
        assert!(text.contains(
            "# TYPE ringback_jobs_ready gauge\nringback_jobs_ready{queue=\"default\"} 3\n"
        ));
        assert!(text.contains("ringback_oldest_wait_seconds{queue=\"default\"} 1.5\n"));
        assert!(text.contains(r#"ringback_slots{queue="a \"b\"\n\\"} 256"#));
        assert_eq!(text.lines().count(), FIGURES.len() * 4);
    }
}
