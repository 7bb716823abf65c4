//! How long things are kept, all in one place; `docs/operations.md` says what each table holds and how its rows go.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::{duration, some_duration};
use crate::shards::Place;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// How long things are kept, and where the history goes before it is let go.
#[derive(Args, Clone, Debug, PartialEq)]
pub struct Keep {
    /// How long finished jobs are kept in the history
    #[arg(long = "keep-history", env = "RINGBACK_KEEP_HISTORY", default_value = "30d", value_parser = history, value_name = "TIME")]
    pub history: Duration,

    /// How long the text that a job said piece by piece is kept after its end; as long as the history, without
    #[arg(long = "keep-events", env = "RINGBACK_KEEP_EVENTS", value_parser = history, value_name = "TIME")]
    pub events: Option<Duration>,

    /// How long a session lives after its last socket
    #[arg(long = "keep-sessions", env = "RINGBACK_KEEP_SESSIONS", default_value = "24h", value_parser = duration, value_name = "TIME")]
    pub sessions: Duration,

    /// How long idempotency keys are remembered
    #[arg(long = "keep-keys", env = "RINGBACK_KEEP_KEYS", default_value = "24h", value_parser = duration, value_name = "TIME")]
    pub keys: Duration,

    /// How long a notice that says nothing of it is kept for sessions that come back
    #[arg(long = "keep-notices", env = "RINGBACK_KEEP_NOTICES", default_value = "1h", value_parser = some_duration, value_name = "TIME")]
    pub notices: Duration,

    /// How long a ticket for a socket is good
    #[arg(long = "keep-tickets", env = "RINGBACK_KEEP_TICKETS", default_value = "30s", value_parser = tickets, value_name = "TIME")]
    pub tickets: Duration,

    /// How long it is known how things were, for the console's charts
    #[arg(long = "keep-samples", env = "RINGBACK_KEEP_SAMPLES", default_value = "24h", value_parser = some_duration, value_name = "TIME")]
    pub samples: Duration,

    /// How long workers and gateways that are gone are remembered
    #[arg(long = "keep-gone", env = "RINGBACK_KEEP_GONE", default_value = "24h", value_parser = gone, value_name = "TIME")]
    pub gone: Duration,

    /// How long it is known what operators did
    #[arg(long = "keep-operator-log", env = "RINGBACK_KEEP_OPERATOR_LOG", default_value = "365d", value_parser = operator_log, value_name = "TIME")]
    pub operator_log: Duration,

    /// The folder that the history is written to, as CSV, before it is let go; without it, it is not written
    #[arg(long, env = "RINGBACK_EXPORT_HISTORY", value_name = "FOLDER")]
    pub export_history: Option<PathBuf>,
}

impl Default for Keep {
    fn default() -> Self {
        Self {
            history: 30 * DAY,
            events: None,
            sessions: DAY,
            keys: DAY,
            notices: HOUR,
            tickets: MINUTE / 2,
            samples: DAY,
            gone: DAY,
            operator_log: 365 * DAY,
            export_history: None,
        }
    }
}

impl Keep {
    /// How long the text of jobs is kept after their ends.
    #[must_use]
    pub fn events(&self) -> Duration {
        self.events.unwrap_or(self.history)
    }

    /// The same for one of several shards, whose history has a folder of its own.
    #[must_use]
    pub fn of_shard(&self, place: Place) -> Self {
        let mut keep = self.clone();
        if place != Place::ONLY {
            let folder = keep.export_history.take();
            let name = format!("shard-{}", place.number);
            keep.export_history = folder.map(|folder| folder.join(name));
        }
        keep
    }

    /// Whether the periods suit each other.
    ///
    /// # Errors
    /// Which do not, and why.
    pub fn check(&self) -> Result<(), String> {
        if self.events() > self.history {
            let text = "RINGBACK_KEEP_EVENTS is longer than RINGBACK_KEEP_HISTORY: the text of a job goes with the job; \
                        keep the history as long, or leave RINGBACK_KEEP_EVENTS out";
            return Err(text.to_owned());
        }
        Ok(())
    }
}

fn history(text: &str) -> Result<Duration, String> {
    at_least(
        HOUR,
        text,
        "an hour: outcomes may still be on their way to those who wait for them",
    )
}

fn gone(text: &str) -> Result<Duration, String> {
    let why = "five minutes: a gateway that is silent for less may still have its sessions";
    at_least(5 * MINUTE, text, why)
}

fn operator_log(text: &str) -> Result<Duration, String> {
    let why = "30 days: nobody may make what they did just now unseen";
    at_least(30 * DAY, text, why)
}

fn tickets(text: &str) -> Result<Duration, String> {
    match some_duration(text)? {
        good if good <= 10 * MINUTE => Ok(good),
        _ => Err("must be at most ten minutes: a ticket is as good as a token".to_owned()),
    }
}

/// A duration that is not shorter than `least`, which is `why`.
///
/// # Errors
/// What is wrong with it.
pub fn at_least(least: Duration, text: &str, why: &str) -> Result<Duration, String> {
    match duration(text)? {
        long if long >= least => Ok(long),
        _ => Err(format!("must be at least {why}")),
    }
}

#[cfg(test)]
mod tests {
    use clap::{Command, FromArgMatches};

    use super::*;

    fn keep(arguments: &[&str]) -> Result<Keep, String> {
        let command = Keep::augment_args(Command::new("keep").no_binary_name(true));
        let matches = command.try_get_matches_from(arguments);
        let matches = matches.map_err(|error| error.to_string())?;
        Keep::from_arg_matches(&matches).map_err(|error| error.to_string())
    }

    #[test]
    fn the_text_of_jobs_is_kept_as_long_as_the_history_or_shorter() {
        let usual = keep(&[]).unwrap();
        assert_eq!(usual, Keep::default());
        assert_eq!(usual.events(), 30 * DAY);
        assert!(usual.check().is_ok());
        let shorter = keep(&["--keep-events", "2d"]).unwrap();
        assert_eq!(shorter.events(), 2 * DAY);
        assert!(shorter.check().is_ok());
        let longer = keep(&["--keep-events", "31d"]).unwrap();
        assert!(longer.check().unwrap_err().contains("KEEP_HISTORY"));
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_the_reason() {
        for (setting, value, reason) in [
            ("--keep-history", "59m", "at least an hour"),
            ("--keep-events", "1m", "at least an hour"),
            ("--keep-gone", "1m", "at least five minutes"),
            ("--keep-operator-log", "29d", "at least 30 days"),
            ("--keep-tickets", "1h", "at most ten minutes"),
            ("--keep-notices", "0", "longer than nothing"),
        ] {
            let refused = keep(&[setting, value]).unwrap_err();
            assert!(refused.contains(reason), "{setting} {value}: {refused}");
        }
    }
}
