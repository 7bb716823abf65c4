//! Whether this gateway lives, and whether it can do its work.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use futures_util::future::join_all;
use jiff::{Timestamp, TimestampRound, Unit};
use sqlx::PgConnection;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout_at};

use super::front::Front;
use crate::postgres::schema::{Schema, is_read_only};
use crate::postgres::{Fault, Link, code};
use crate::shards::Place;
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
///
/// Of several shards one will do: what is in that one goes on, and all gateways lack the others as well.
pub(super) async fn readyz(State(front): State<Arc<Front>>) -> (StatusCode, String) {
    let asked = front.places().map(async |(place, shared)| {
        let reasons = match shared {
            Some(shared) => shared.health.reasons().await,
            None => vec![Reason::NotReached],
        };
        (place, reasons)
    });
    let answers = join_all(asked).await;
    let takes_jobs = answers.iter().any(|(_, reasons)| reasons.is_empty());
    let mut lines = Vec::new();
    for (place, reasons) in answers {
        let shard = match place {
            Place::ONLY => String::new(),
            place => format!("shard {}: ", place.number),
        };
        lines.extend(reasons.iter().map(|reason| format!("{shard}{reason}\n")));
    }
    let is_draining = front.stop.is_cancelled();
    if is_draining {
        lines.push(format!("{}\n", Reason::Draining));
    }
    if takes_jobs && !is_draining {
        lines.insert(0, "ready\n".to_owned());
        return (StatusCode::OK, lines.concat());
    }
    (StatusCode::SERVICE_UNAVAILABLE, lines.concat())
}

/// Why it cannot. Read by whoever asks, so no address and no login is in it.
#[derive(Clone, Debug)]
enum Reason {
    /// It has not answered since this gateway began.
    NotReached,
    /// It does not answer, or answers that it cannot now.
    Away { since: Timestamp },
    /// It answers, and what it says is no answer: the program's login may not look, for example.
    Refused { code: String },
    /// It answers, and takes nothing: a standby, or one that was told to only read.
    ReadOnly,
    /// It lacks these migrations.
    OlderSchema(Vec<String>),
    /// A stop was asked for.
    Draining,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotReached => {
                f.write_str("the database has not been taken up yet; the log says why")
            }
            Self::Away { since } => write!(f, "the database cannot be reached, since {since}"),
            Self::Refused { code } => write!(
                f,
                "the database refuses to say how its schema is (SQLSTATE {code}); `ringback doctor` says more"
            ),
            Self::ReadOnly => write!(
                f,
                "the database only reads: DATABASE_URL names a standby, or default_transaction_read_only is on"
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
        Ok(state) => reasons_of(state),
        Err(error) if Fault::of(error) == Fault::Away => vec![Reason::Away { since: away_since }],
        Err(error) => vec![Reason::Refused {
            code: code(error).unwrap_or("unknown".into()).into_owned(),
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

fn reasons_of(state: &Read) -> Vec<Reason> {
    let mut reasons = Vec::new();
    if state.is_read_only {
        reasons.push(Reason::ReadOnly);
    }
    if state.schema.is_older() {
        let unfinished = state.schema.unfinished.iter().map(i64::to_string);
        let missing = unfinished.chain(state.schema.missing.iter().cloned());
        reasons.push(Reason::OlderSchema(missing.collect()));
    }
    reasons
}

/// How the database is, as it says.
struct Read {
    schema: Schema,
    is_read_only: bool,
}

async fn read(link: &mut Link) -> Result<Read, sqlx::Error> {
    link.run(async |connection| Read::read(connection).await)
        .await
}

impl Read {
    async fn read(connection: &mut PgConnection) -> Result<Self, sqlx::Error> {
        let is_read_only = is_read_only(&mut *connection).await?;
        let schema = Schema::read(connection).await?;
        Ok(Self {
            schema,
            is_read_only,
        })
    }
}

/// To the second: nobody needs to know more.
fn now() -> Timestamp {
    let now = Timestamp::now();
    let second = TimestampRound::new().smallest(Unit::Second);
    now.round(second.mode(jiff::RoundMode::Trunc))
        .unwrap_or(now)
}
