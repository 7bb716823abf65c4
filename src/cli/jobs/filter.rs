//! Which jobs a verb is about.

use std::time::Duration;

use clap::Args;
use jiff::Timestamp;

use crate::config::duration;
use crate::queue::jobs::Filter;
use crate::wire::JobState;

/// Which jobs.
#[derive(Args, Clone, Debug)]
pub(super) struct Which {
    /// Only those in these states: scheduled, held, ready, running, waiting, succeeded, failed, cancelled
    #[arg(long, value_delimiter = ',', value_parser = state, value_name = "STATE,…")]
    state: Vec<JobState>,

    /// Only those of this task, or asked for by this name
    #[arg(long, value_name = "NAME")]
    task: Option<String>,

    /// Only those in this queue
    #[arg(long, value_name = "NAME")]
    queue: Option<String>,

    /// Only those of this owner
    #[arg(long, value_name = "NAME")]
    owner: Option<String>,

    /// Only those that were submitted since then: a time such as 2026-01-31T12:00:00Z, or how long ago, such as 2h
    #[arg(long, value_parser = moment, value_name = "TIME")]
    since: Option<Timestamp>,

    /// Only those that were submitted before then
    #[arg(long, value_parser = moment, value_name = "TIME")]
    until: Option<Timestamp>,

    /// Only those with this in their content, whatever the case
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
}

impl Which {
    pub(super) fn filter(&self) -> Filter {
        Filter {
            states: self.state.clone(),
            task: self.task.clone(),
            queue: self.queue.clone(),
            owner: self.owner.clone(),
            since: self.since,
            until: self.until,
            search: self.search.clone(),
            ids: None,
        }
    }

    /// Whether it says anything.
    pub(super) fn is_said(&self) -> bool {
        self.filter() != Filter::default()
    }

    /// What it says, in words.
    pub(super) fn words(&self) -> String {
        let states: Vec<&str> = self.state.iter().map(|state| state.name()).collect();
        let time = |time: Timestamp| time.to_string();
        let said = [
            ("state", (!states.is_empty()).then(|| states.join(" or "))),
            ("task", self.task.clone()),
            ("queue", self.queue.clone()),
            ("owner", self.owner.clone()),
            ("since", self.since.map(time)),
            ("until", self.until.map(time)),
            ("search", self.search.clone()),
        ];
        let said = said
            .into_iter()
            .filter_map(|(name, value)| Some(format!("{name} {}", value?)));
        said.collect::<Vec<String>>().join(", ")
    }
}

fn state(text: &str) -> Result<JobState, String> {
    one_of(&JobState::ALL, text)
}

/// One of some states, by its name.
pub(super) fn one_of(states: &[JobState], text: &str) -> Result<JobState, String> {
    let state = JobState::named(text).filter(|state| states.contains(state));
    state.ok_or_else(|| {
        let names: Vec<&str> = states.iter().map(|state| state.name()).collect();
        format!("{text:?} is not one of {}", names.join(", "))
    })
}

fn moment(text: &str) -> Result<Timestamp, String> {
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    let wrong = || {
        format!(
            "{text:?} is neither a time, such as 2026-01-31T12:00:00Z, nor how long ago, such as 2h"
        )
    };
    let ago: Duration = duration(text).map_err(|_| wrong())?;
    Timestamp::now().checked_sub(ago).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_time_or_how_long_ago() {
        assert_eq!(moment("1970-01-01T00:00:00Z"), Ok(Timestamp::UNIX_EPOCH));
        let hour_ago = moment("1h").unwrap();
        let since = Timestamp::now().duration_since(hour_ago);
        assert!((3_600..3_700).contains(&since.as_secs()));
        assert!(moment("yesterday").is_err());
        assert!(moment("99999999d").is_err());
    }
}
