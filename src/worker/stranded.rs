//! Claims that were made in this worker's name without its hearing of them: the connection was lost between the commit
//! of a claim and its answer. Nobody else gives them back, since the worker lives.

use std::time::Duration;

use sqlx::PgConnection;
use tokio::sync::mpsc;

use super::finisher::Outcome;
use super::held::{Fate, Held};
use crate::ids::WorkerId;
use crate::queue::Why;
use crate::queue::fleet;

/// Gives back what was claimed at least `age` ago and is not held.
///
/// # Errors
/// Those of the database.
pub(super) async fn give_back(
    connection: &mut PgConnection,
    worker: WorkerId,
    age: Duration,
    held: &Held,
    outcomes: &mpsc::Sender<Outcome>,
) -> Result<(), sqlx::Error> {
    let stranded = fleet::claims_without_holder(connection, worker, age, &held.list()).await?;
    for (job, claim_id) in stranded {
        tracing::warn!(job.id = %job, "a claim of this job was lost on its way; it goes back to its queue");
        let fate = Fate::PutBack(Why::NotStarted);
        // What finds no room now is found the next time.
        let _ = outcomes.try_send(Outcome {
            job,
            claim_id,
            fate,
            spare: None,
        });
    }
    Ok(())
}
