//! Arranges that jobs of this worker can be called back.

use std::sync::Arc;
use std::time::Duration;

use super::held::Claim;
use crate::auth::Secret;
use crate::postgres::Database;
use crate::queue::callback;
use crate::task::{Callback, RetryDelay, TaskError};

/// How soon a job is tried again that could not be arranged for.
const LATER: Duration = Duration::from_secs(1);

/// Where the gateways are reached from outside.
#[derive(Clone, Debug)]
pub(super) struct Callbacks {
    pub(super) database: Database,
    /// Without a path.
    pub(super) public_url: Arc<str>,
}

impl Callbacks {
    /// Stores what whoever works on this claim has to know.
    pub(super) async fn expect(
        self,
        claim: Arc<Claim>,
        delay: RetryDelay,
    ) -> Result<Callback, TaskError> {
        let token = Secret::random();
        let (job, claim_id) = (claim.job.id, claim.job.claim_id);
        let expected = self.database.run(async |connection| {
            callback::expect(connection, job, claim_id, &token, delay).await
        });
        let why = match expected.await {
            Ok(true) => {
                let base = self.public_url.trim_end_matches('/');
                let url = format!("{base}/api/v1/callbacks/{job}");
                return Ok(Callback { url, token });
            }
            Ok(false) => "the job is over, or was given to another worker".to_owned(),
            Err(error) => error.to_string(),
        };
        tracing::warn!(job.id = %job, why, "could not arrange for a job to be called back");
        Err(TaskError::postponed(
            format!("could not arrange for it to be called back: {why}"),
            LATER,
        ))
    }
}
