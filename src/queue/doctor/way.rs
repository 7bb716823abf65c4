//! The way to the database: a pooler that hands out server processes, or keeps hints back.

use super::figures::time;
use super::{Asked, Check, Finding, Status, or_ok};
use crate::config::Pooler;
use crate::postgres::Reader;
use crate::postgres::listener::Hearing;
use crate::postgres::pooler::{self, Way};

const CHECK: Check = Check::Pooler;

/// The way through a pooler, beside the direct one.
#[derive(Clone, Debug)]
pub struct Pooled {
    /// Where it leads.
    pub url: String,
    /// What is said of it.
    pub pooler: Pooler,
}

pub(super) async fn look(reader: &Reader, asked: &Asked) -> Result<Vec<Finding>, sqlx::Error> {
    let way = pooler::way(reader).await?;
    let mut findings = judge(&way, reader.refused(), asked.hearing, asked.pooler);
    if let Some(pooled) = &asked.pooled {
        // No hint comes this way.
        let hearing = Hearing::PollOnly;
        match Reader::connect(&pooled.url).await {
            Ok(reader) => {
                let way = pooler::way(&reader).await?;
                findings.extend(judge(&way, reader.refused(), hearing, pooled.pooler));
                reader.close().await;
            }
            Err(error) => findings.push(Finding::new(
                CHECK,
                Status::Problem,
                format!("the pooler cannot be reached: {error:#}"),
                "start the pooler, or mend DATABASE_URL: only hints and what deletes the history go past it",
            )),
        }
    }
    Ok(findings)
}

fn judge(way: &Way, refused: Option<&str>, hearing: Hearing, pooler: Pooler) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(said) = refused.filter(|_| pooler == Pooler::None) {
        findings.push(Finding::new(
            CHECK,
            Status::Problem,
            format!("a pooler refuses the connections of the program: {said}"),
            "let DATABASE_URL name Postgres itself; or, in PgBouncer, pool_mode = session and ignore_startup_parameters = extra_float_digits, options; or say which pooler it is: RINGBACK_POOLER, with DIRECT_DATABASE_URL",
        ));
    }
    // Of one that knows nothing of prepared statements, each transaction brings them along.
    let are_missed = match pooler {
        Pooler::None => refused.is_none(),
        Pooler::Prepared => true,
        Pooler::Transaction => false,
    };
    if way.drops_settings && are_missed {
        findings.push(Finding::new(
            CHECK,
            Status::Warning,
            "a pooler leaves out what the program asks for at the start of a connection",
            "let DATABASE_URL name Postgres itself; or give the settings to the login: alter role current_user set enable_seqscan = off; the same for enable_mergejoin = off, jit = off, plan_cache_mode = force_generic_plan, idle_in_transaction_session_timeout = '20s'",
        ));
    }
    let is_expected = pooler != Pooler::None && hearing == Hearing::PollOnly;
    if way.is_shared && !is_expected {
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
            "let DATABASE_URL name Postgres itself, or use pool_mode = session; else say which pooler it is (RINGBACK_POOLER), and name the server itself in DIRECT_DATABASE_URL; without that, start everything with --poll-only",
        ));
    } else if !way.is_shared && way.hint.is_none() && hearing == Hearing::Hints {
        findings.push(Finding::new(
            CHECK,
            Status::Problem,
            "a hint that was sent did not arrive",
            "let DATABASE_URL name the primary itself, or start everything with --poll-only",
        ));
    }
    let heard = match way.hint {
        Some(hint) => format!("; a hint takes {}", time(hint.as_secs_f64())),
        None => String::new(),
    };
    let found = if way.is_shared {
        "a pooler gives a server process for each transaction, as RINGBACK_POOLER says".to_owned()
    } else {
        format!("each connection keeps its own server process{heard}")
    };
    or_ok(findings, CHECK, found)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn worst(way: &Way, refused: Option<&str>, hearing: Hearing) -> Status {
        behind(Pooler::None, way, refused, hearing)
    }

    fn behind(pooler: Pooler, way: &Way, refused: Option<&str>, hearing: Hearing) -> Status {
        let findings = judge(way, refused, hearing, pooler);
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

    #[test]
    fn a_pooler_that_is_told_of_is_as_it_should_be_for_those_who_do_not_listen_through_it() {
        let shared = Way {
            is_shared: true,
            drops_settings: true,
            hint: None,
        };
        let poll = Hearing::PollOnly;
        let refused = Some("unsupported startup parameter: options");
        assert_eq!(
            behind(Pooler::Transaction, &shared, refused, poll),
            Status::Ok
        );
        assert_eq!(
            behind(Pooler::Prepared, &shared, refused, poll),
            Status::Warning
        );
        let set = Way {
            drops_settings: false,
            ..shared
        };
        assert_eq!(behind(Pooler::Prepared, &set, refused, poll), Status::Ok);
        assert_eq!(
            behind(Pooler::Transaction, &shared, refused, Hearing::Hints),
            Status::Problem
        );
    }
}
