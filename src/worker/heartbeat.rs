//! Says that this worker lives, on a thread, a runtime and a connection of its own: task code that blocks the others
//! cannot stop it.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::finisher::Outcome;
use super::held::Held;
use super::lease::Lease;
use super::stranded;
use crate::postgres::link::limited_to;
use crate::postgres::{Backoff, Database, Link};
use crate::queue::fleet::{self, WorkerRow};
use crate::shutdown::{Stop, sleep};
use crate::task::Circuits;

const EVERY: Duration = Duration::from_secs(5);

/// A beat that takes longer than this is given up and tried on a new connection.
const LIMIT: Duration = Duration::from_secs(4);

/// How often it looks for claims that the tables have and this worker does not hold: one in this many beats.
const LOOK_EVERY: u32 = 12;

/// How old such a claim must be: a younger one may be on its way to us.
const STRANDED: Duration = Duration::from_secs(60);

/// Starts the thread. It ends after `stop` is given, when the worker holds nothing any more, having said so.
pub(super) fn start(
    database: &Database,
    worker: WorkerRow,
    circuits: Circuits,
    held: Held,
    outcomes: mpsc::Sender<Outcome>,
    lease: Lease,
    stop: Stop,
) -> std::io::Result<std::thread::JoinHandle<()>> {
    let link = database.link("heartbeat");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    std::thread::Builder::new()
        .name("heartbeat".to_owned())
        .spawn(move || runtime.block_on(run(link, worker, circuits, held, outcomes, lease, stop)))
}

async fn run(
    mut link: Link,
    worker: WorkerRow,
    circuits: Circuits,
    held: Held,
    outcomes: mpsc::Sender<Outcome>,
    lease: Lease,
    stop: Stop,
) {
    let mut backoff = Backoff::new();
    let mut beats: u32 = 0;
    loop {
        let sent = Instant::now();
        let pause = match beat(&mut link, &worker, &circuits, &held).await {
            Ok(()) => {
                lease.renew(sent);
                backoff.reset();
                beats = beats.wrapping_add(1);
                if beats.is_multiple_of(LOOK_EVERY) {
                    let look = async {
                        let connection = link.connected().await?;
                        stranded::give_back(connection, worker.id, STRANDED, &held, &outcomes).await
                    };
                    let looked = limited_to(LIMIT, look).await;
                    link.settle(&looked);
                }
                EVERY
            }
            Err(error) => {
                tracing::warn!(worker.id = %worker.id, %error, "could not beat, trying again");
                backoff.delay()
            }
        };
        if !sleep(pause, &stop).await {
            break;
        }
    }
    let left = async { fleet::worker_left(link.connected().await?, worker.id).await };
    // Otherwise its silence will say the same.
    if limited_to(LIMIT, left).await.is_ok() {
        link.close().await;
    }
}

async fn beat(
    link: &mut Link,
    worker: &WorkerRow,
    circuits: &Circuits,
    held: &Held,
) -> Result<(), sqlx::Error> {
    let claims = held.list();
    let paused = circuits.open();
    let beat = async { fleet::beat(link.connected().await?, worker, &claims, &paused).await };
    let result = limited_to(LIMIT, beat).await;
    link.settle(&result);
    for (job, claim_id) in result? {
        held.drop_one(job, claim_id);
    }
    Ok(())
}
