//! The database's clock, which decides everything, against that of this machine.

use std::time::{Duration, Instant, SystemTime};

use sqlx::PgConnection;

use super::figures::time;
use super::{Check, Finding, Status};

const CHECK: Check = Check::Clock;

/// How often it is asked: the quickest answer says most.
const TIMES: usize = 5;

/// A clock that is kept by anybody is better than this.
const APART: f64 = 1.0;

/// As much as a gateway forgives in the times of tokens.
const FORGIVEN: f64 = 5.0;

pub(super) async fn look(connection: &mut PgConnection) -> Result<Vec<Finding>, sqlx::Error> {
    let mut best: Option<(Duration, f64)> = None;
    for _ in 0..TIMES {
        let (asked, before) = (SystemTime::now(), Instant::now());
        let there = sqlx::query_scalar!(
            r#"select extract(epoch from clock_timestamp())::double precision as "now!""#
        )
        .fetch_one(&mut *connection)
        .await?;
        let took = before.elapsed();
        let here = asked
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default()
            + took / 2;
        if best.is_none_or(|(quickest, _)| took < quickest) {
            best = Some((took, there - here.as_secs_f64()));
        }
    }
    let (took, ahead) = best.unwrap_or_default();
    Ok(vec![judge(ahead, took.as_secs_f64() / 2.0)])
}

/// `ahead` is how far the database is ahead, give or take `within`.
fn judge(ahead: f64, within: f64) -> Finding {
    let direction = if ahead < 0.0 { "behind" } else { "ahead of" };
    let found = format!(
        "the database's clock is {} {direction} this machine's, give or take {}",
        time(ahead.abs()),
        time(within)
    );
    let advice = "let both machines ask a time server (chrony, systemd-timesyncd): tokens are judged by the gateway's clock, all else by the database's";
    let apart = ahead.abs() - within;
    if apart > FORGIVEN {
        Finding::new(CHECK, Status::Problem, found, advice)
    } else if apart > APART {
        Finding::new(CHECK, Status::Warning, found, advice)
    } else {
        Finding::ok(CHECK, found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_may_be_as_far_apart_as_the_answer_took_and_a_little_more() {
        assert_eq!(judge(0.4, 0.001).status, Status::Ok);
        assert_eq!(judge(-2.0, 0.001).status, Status::Warning);
        assert_eq!(judge(2.0, 1.5).status, Status::Ok);
        assert_eq!(judge(-7.0, 0.001).status, Status::Problem);
        assert!(judge(-7.0, 0.0).found.contains("7 s behind"));
    }
}
