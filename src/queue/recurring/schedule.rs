//! When a recurring job fires: a cron expression in a time zone.

use std::str::FromStr;

use croner::Cron;
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A cron expression in a time zone.
///
/// Five fields (minute, hour, day of the month, month, day of the week), or six, with seconds before them.
/// Where the clocks go forward, a fixed time that there is not that day comes at the first that there is; where they go
/// back, one that there is twice comes once.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    cron: Cron,
    time_zone: TimeZone,
    time_zone_name: String,
}

/// Why a schedule cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScheduleError {
    /// It is no cron expression.
    #[error("{cron:?} is not a cron expression, such as \"30 4 * * 1-5\": {why}")]
    Cron {
        /// What was given.
        cron: String,
        /// What is wrong with it.
        why: String,
    },
    /// There is no such time zone.
    #[error("{0:?} is not a time zone, such as UTC or Europe/Berlin")]
    TimeZone(String),
}

impl Schedule {
    /// Reads a cron expression and the name of a time zone.
    ///
    /// # Errors
    /// When either cannot be read.
    pub fn parse(cron: &str, time_zone: &str) -> Result<Self, ScheduleError> {
        let unreadable = |error: croner::errors::CronError| ScheduleError::Cron {
            cron: cron.to_owned(),
            why: error.to_string(),
        };
        let unknown = |_| ScheduleError::TimeZone(time_zone.to_owned());
        Ok(Self {
            cron: Cron::from_str(cron).map_err(unreadable)?,
            time_zone: TimeZone::get(time_zone).map_err(unknown)?,
            time_zone_name: time_zone.to_owned(),
        })
    }

    /// The first time after `time`, if there is any.
    #[must_use]
    pub fn after(&self, time: Timestamp) -> Option<Timestamp> {
        let local = time.to_zoned(self.time_zone.clone());
        let next = self.cron.find_next_occurrence(&local, false).ok()?;
        Some(next.timestamp())
    }

    /// The cron expression, as it was given.
    #[must_use]
    pub fn cron(&self) -> String {
        self.cron.as_str().to_owned()
    }

    /// The name of the time zone.
    #[must_use]
    pub fn time_zone(&self) -> &str {
        &self.time_zone_name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(cron: &str, time_zone: &str, from: &str, count: usize) -> Vec<String> {
        let schedule = Schedule::parse(cron, time_zone).unwrap();
        let mut time: Timestamp = from.parse().unwrap();
        let mut times = Vec::new();
        for _ in 0..count {
            time = schedule.after(time).unwrap();
            times.push(time.to_string());
        }
        times
    }

    #[test]
    fn a_time_is_that_of_its_time_zone() {
        assert_eq!(
            times("30 4 * * 1-5", "Europe/Berlin", "2026-11-26T12:00:00Z", 3),
            [
                "2026-11-27T03:30:00Z",
                "2026-11-30T03:30:00Z",
                "2026-12-01T03:30:00Z"
            ]
        );
        assert_eq!(
            times("*/20 * * * * *", "UTC", "2026-11-26T12:00:05.5Z", 2),
            ["2026-11-26T12:00:20Z", "2026-11-26T12:00:40Z"]
        );
    }

    #[test]
    fn a_fixed_time_comes_once_each_day_also_when_the_clocks_change() {
        for cron in ["30 2 * * *", "30 1 * * *", "0 3 * * *"] {
            for time_zone in ["Europe/Berlin", "America/New_York"] {
                let schedule = Schedule::parse(cron, time_zone).unwrap();
                let zone = TimeZone::get(time_zone).unwrap();
                let mut time: Timestamp = "2026-01-01T12:00:00Z".parse().unwrap();
                let mut day = time.to_zoned(zone.clone()).date();
                for _ in 0..730 {
                    time = schedule.after(time).unwrap();
                    let next = time.to_zoned(zone.clone()).date();
                    assert_eq!(next, day.tomorrow().unwrap(), "{cron} {time_zone} {time}");
                    day = next;
                }
            }
        }
    }

    #[test]
    fn a_step_comes_at_each_of_its_times_that_there_is() {
        // From two to three there are no such times in Berlin that night.
        assert_eq!(
            times("*/30 * * * *", "Europe/Berlin", "2026-03-29T00:15:00Z", 3),
            [
                "2026-03-29T00:30:00Z",
                "2026-03-29T01:00:00Z",
                "2026-03-29T01:30:00Z"
            ]
        );
    }

    #[test]
    fn what_cannot_be_read_says_so() {
        for cron in ["", "every day", "61 * * * *", "* * * *"] {
            let error = Schedule::parse(cron, "UTC").unwrap_err().to_string();
            assert!(error.contains("is not a cron expression"), "{error}");
        }
        let error = Schedule::parse("* * * * *", "Berlin").unwrap_err();
        assert!(error.to_string().contains("\"Berlin\" is not a time zone"));
        let never = Schedule::parse("0 0 31 2 *", "UTC").unwrap();
        assert_eq!(never.after(Timestamp::UNIX_EPOCH), None);
    }
}
