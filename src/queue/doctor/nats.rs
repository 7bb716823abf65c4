//! Hints that go by NATS.

use super::figures::time;
use super::{Check, Finding, Status};
use crate::nats::{Servers, there_and_back};

const CHECK: Check = Check::Nats;

pub(super) async fn look(servers: Option<&Servers>) -> Finding {
    let Some(servers) = servers else {
        return Finding::ok(CHECK, "none is named: hints go by NOTIFY");
    };
    match there_and_back(servers).await {
        Ok(took) => {
            let took = time(took.as_secs_f64());
            Finding::ok(CHECK, format!("a hint by {servers} takes {took}"))
        }
        Err(error) => Finding::new(
            CHECK,
            Status::Problem,
            format!("no hint comes back from {servers}: {error:#}"),
            "see that it runs, that NATS_URL is right, and that its login may publish and subscribe to ringback.>; until then work is found by polling",
        ),
    }
}
