//! Whether this gateway lives, and whether it can do its work.

use std::fmt;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use jiff::{Timestamp, TimestampRound, Unit};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout_at};

use super::Shared;
use crate::postgres::link::limited;
use crate::postgres::schema::Schema;
use crate::postgres::{Fault, Link};
use crate::shutdown::Stop;

/// How long an answer is good.
const FRESH: Duration = Duration::from_secs(1);

/// How long anybody waits for one. Those who ask wait ten seconds or less.
const LIMIT: Duration = Duration::from_secs(2);

/// It lives, or it could not say so.
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// It can take jobs; or everything that keeps it from that, a reason on each line.
pub(super) async fn readyz(State(shared): State<Shared>) -> (StatusCode, String) {
    let mut reasons = shared.health.reasons().await;
    if shared.stop.is_cancelled() {
        reasons.push(Reason::Draining);
    }
    if reasons.is_empty() {
        return (StatusCode::OK, "ready\n".to_owned());
    }
    let lines = reasons.iter().map(|reason| format!("{reason}\n"));
    (StatusCode::SERVICE_UNAVAILABLE, lines.collect())
}

/// Why it cannot. Read by whoever asks, so no address and no login is in it.
#[derive(Clone, Debug)]
enum Reason {
    /// It does not answer, or answers that it cannot now.
    Away { since: Timestamp },
    /// It answers, and what it says is no answer: the program's login may not look, for example.
    Refused { code: String },
    /// It lacks these migrations.
    OlderSchema(Vec<String>),
    /// A stop was asked for.
    Draining,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Away { since } => write!(f, "the database cannot be reached, since {since}"),
            Self::Refused { code } => write!(
                f,
                "the database refuses to say how its schema is (SQLSTATE {code}); `ringback doctor` says more"
            ),
            Self::OlderSchema(missing) => write!(
                f,
                "the schema is older than this program: run `ringback migrate`; missing: {}",
                missing.join(", ")
            ),
            Self::Draining => write!(f, "draining: a stop was asked for"),
        }
    }
}

/// What was last found out about the database. One connection asks, and only when somebody wants to know: however many
/// that are, and however often.
#[derive(Debug)]
pub(super) struct Health {
    wanted: Notify,
    found: watch::Sender<Found>,
}

#[derive(Clone, Debug, Default)]
struct Found {
    at: Option<Instant>,
    reasons: Vec<Reason>,
    /// Since when it has not answered.
    away_since: Option<Timestamp>,
    /// When it was asked what it has not answered yet.
    asked_since: Option<Timestamp>,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            wanted: Notify::new(),
            found: watch::Sender::new(Found::default()),
        }
    }
}

impl Health {
    async fn reasons(&self) -> Vec<Reason> {
        let give_up = Instant::now() + LIMIT;
        let asked = now();
        let mut found = self.found.subscribe();
        self.wanted.notify_one();
        let fresh = |found: &Found| found.at.is_some_and(|at| at.elapsed() < FRESH);
        if let Ok(Ok(found)) = timeout_at(give_up, found.wait_for(fresh)).await {
            return found.reasons.clone();
        }
        let found = self.found.borrow();
        let since = found.away_since.or(found.asked_since);
        vec![Reason::Away {
            since: since.unwrap_or(asked),
        }]
    }

    /// Asks the database whenever somebody wants to know, until the end of the web server.
    pub(super) async fn run(&self, mut link: Link, served: Stop) {
        while served
            .run_until_cancelled(self.wanted.notified())
            .await
            .is_some()
        {
            let known = self.found.borrow().clone();
            if known.at.is_some_and(|at| at.elapsed() < FRESH) {
                continue;
            }
            let asked = now();
            self.found
                .send_modify(|found| found.asked_since = Some(asked));
            let look = look(&mut link, known.away_since.unwrap_or(asked));
            let Some(found) = served.run_until_cancelled(look).await else {
                break;
            };
            self.found.send_replace(found);
        }
        link.close().await;
    }
}

async fn look(link: &mut Link, away_since: Timestamp) -> Found {
    let mut read = read(link).await;
    if read
        .as_ref()
        .is_err_and(|error| Fault::of(error) == Fault::Away)
    {
        // Only the connection may be gone: the server was restarted since somebody last wanted to know.
        read = self::read(link).await;
    }
    let reasons = match &read {
        Ok(schema) if schema.is_older() => {
            let unfinished = schema.unfinished.iter().map(i64::to_string);
            let missing = unfinished.chain(schema.missing.iter().cloned());
            vec![Reason::OlderSchema(missing.collect())]
        }
        Ok(_) => Vec::new(),
        Err(error) if Fault::of(error) == Fault::Away => vec![Reason::Away { since: away_since }],
        Err(error) => vec![Reason::Refused {
            code: code(error).unwrap_or_else(|| "unknown".to_owned()),
        }],
    };
    let is_away = matches!(reasons[..], [Reason::Away { .. }]);
    Found {
        at: Some(Instant::now()),
        reasons,
        away_since: is_away.then_some(away_since),
        asked_since: None,
    }
}

async fn read(link: &mut Link) -> Result<Schema, sqlx::Error> {
    let read = async { limited(Schema::read(link.connected().await?)).await };
    let read = read.await;
    link.settle(&read);
    read
}

fn code(error: &sqlx::Error) -> Option<String> {
    Some(error.as_database_error()?.code()?.into_owned())
}

/// To the second: nobody needs to know more.
fn now() -> Timestamp {
    let now = Timestamp::now();
    let second = TimestampRound::new().smallest(Unit::Second);
    now.round(second.mode(jiff::RoundMode::Trunc))
        .unwrap_or(now)
}
