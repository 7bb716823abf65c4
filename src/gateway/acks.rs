//! Forgets what clients have said they have, in natural batches.

use std::time::Duration;

use tokio::sync::mpsc;

use super::batch;
use super::connection::Acknowledged;
use crate::ids::{JobId, SessionId};
use crate::postgres::{Backoff, Fault, Link};
use crate::session::acknowledge;
use crate::shutdown::{Stop, sleep};

/// How many acknowledgements may wait. One that finds no room is dropped: its message may come again, with its id.
pub(super) const WAITING: usize = 10_000;

/// The most of them in one batch.
const WIDEST: usize = 500;

/// How long they are gathered. Nobody waits for them, and a statement for each handful would cost more than all of them in
/// one.
const GATHER: Duration = Duration::from_millis(10);

/// Writes acknowledgements until `last` is given and none is left.
pub(super) async fn run(
    mut waiting: mpsc::Receiver<Acknowledged>,
    mut link: Link,
    last: Stop,
) -> anyhow::Result<()> {
    while let Some(batch) = batch::next(&mut waiting, WIDEST, &last).await {
        write(&mut link, &batch, &last).await;
        if batch.len() < WIDEST {
            sleep(GATHER, &last).await;
        }
    }
    link.close().await;
    Ok(())
}

async fn write(link: &mut Link, batch: &[Acknowledged], last: &Stop) {
    let outcomes: Vec<(SessionId, JobId)> = batch
        .iter()
        .flat_map(|acknowledged| {
            let session = acknowledged.session;
            acknowledged.jobs.iter().map(move |job| (session, *job))
        })
        .collect();
    let notices: Vec<(SessionId, i64)> = batch
        .iter()
        .filter_map(|acknowledged| Some((acknowledged.session, acknowledged.notice?)))
        .collect();
    let mut backoff = Backoff::new();
    loop {
        let written =
            link.run(async |connection| acknowledge(connection, &outcomes, &notices).await);
        match written.await {
            Ok(()) => return,
            Err(error) if Fault::of(&error) == Fault::Away => {
                if !sleep(backoff.delay(), last).await {
                    return;
                }
            }
            Err(error) => {
                tracing::warn!(%error, "acknowledgements could not be written; their messages may come again");
                return;
            }
        }
    }
}
