//! The way to the database: a pooler that hands out server processes, or keeps hints back.

use super::figures::time;
use super::{Check, Finding, Status};
use crate::postgres::Reader;
use crate::postgres::listener::Hearing;
use crate::postgres::pooler::{self, Way};

const CHECK: Check = Check::Pooler;

pub(super) async fn look(reader: &Reader, hearing: Hearing) -> Result<Vec<Finding>, sqlx::Error> {
    let way = pooler::way(reader).await?;
    Ok(judge(&way, reader.refused(), hearing))
}

fn judge(way: &Way, refused: Option<&str>, hearing: Hearing) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(said) = refused {
        findings.push(Finding::new(
            CHECK,
            Status::Problem,
            format!("a pooler refuses the connections of the program: {said}"),
            "let DATABASE_URL name Postgres itself; or, in PgBouncer, pool_mode = session and ignore_startup_parameters = extra_float_digits, options",
        ));
    }
    if way.drops_settings {
        findings.push(Finding::new(
            CHECK,
            Status::Warning,
            "a pooler leaves out what the program asks for at the start of a connection",
            "let DATABASE_URL name Postgres itself; or give the settings to the login: alter role current_user set enable_seqscan = off; the same for enable_mergejoin = off, jit = off, plan_cache_mode = force_generic_plan, idle_in_transaction_session_timeout = '20s'",
        ));
    }
    if way.is_shared {
        let (status, found) = match hearing {
            Hearing::Hints => (
                Status::Problem,
                "a pooler shares server processes among connections (pool_mode transaction or statement): no hint is heard",
            ),
            Hearing::PollOnly => (
                Status::Warning,
                "a pooler shares server processes among connections (pool_mode transaction or statement): prepared statements and locks may be lost",
            ),
        };
        findings.push(Finding::new(
            CHECK,
            status,
            found,
            "let DATABASE_URL name Postgres itself, or use pool_mode = session; else start everything with --poll-only, behind PgBouncer 1.21 or newer with max_prepared_statements = 200",
        ));
    } else if way.hint.is_none() && hearing == Hearing::Hints {
        findings.push(Finding::new(
            CHECK,
            Status::Problem,
            "a hint that was sent did not arrive",
            "let DATABASE_URL name the primary itself, or start everything with --poll-only",
        ));
    }
    if findings.is_empty() {
        let heard = match way.hint {
            Some(hint) => format!("; a hint takes {}", time(hint.as_secs_f64())),
            None => String::new(),
        };
        let found = format!("each connection keeps its own server process{heard}");
        findings.push(Finding::ok(CHECK, found));
    }
    findings
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn worst(way: &Way, refused: Option<&str>, hearing: Hearing) -> Status {
        let findings = judge(way, refused, hearing);
        findings.iter().map(|finding| finding.status).max().unwrap()
    }

    #[test]
    fn a_pooler_is_a_problem_for_those_who_listen() {
        let direct = Way {
            is_shared: false,
            drops_settings: false,
            hint: Some(Duration::from_millis(1)),
        };
        let shared = Way {
            is_shared: true,
            hint: None,
            ..direct
        };
        let deaf = Way {
            hint: None,
            ..direct
        };
        let dropping = Way {
            drops_settings: true,
            ..direct
        };
        assert_eq!(worst(&direct, None, Hearing::Hints), Status::Ok);
        assert_eq!(worst(&shared, None, Hearing::Hints), Status::Problem);
        assert_eq!(worst(&shared, None, Hearing::PollOnly), Status::Warning);
        assert_eq!(worst(&deaf, None, Hearing::Hints), Status::Problem);
        assert_eq!(worst(&deaf, None, Hearing::PollOnly), Status::Ok);
        assert_eq!(worst(&dropping, None, Hearing::Hints), Status::Warning);
        assert_eq!(worst(&direct, Some("no"), Hearing::Hints), Status::Problem);
    }
}
