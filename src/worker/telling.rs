//! What one running job has to tell, in numbered pieces and not too often.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::held::Claim;
use crate::ids::{ClaimId, JobId};
use crate::queue::{Report, Said};
use crate::task::Reporter;

/// How often a progress is told, at most.
const PROGRESS_EVERY: Duration = Duration::from_millis(100);

/// A job that may tell something.
#[derive(Debug)]
pub(super) struct Telling {
    job: JobId,
    claim_id: ClaimId,
    reporter: Reporter,
    /// The number of the last piece of its text.
    seq: i32,
    /// When its last progress was told.
    progressed: Option<Instant>,
}

impl Telling {
    pub(super) fn new(claim: &Claim) -> Self {
        Self {
            job: claim.job.id,
            claim_id: claim.job.claim_id,
            reporter: claim.reporter.clone(),
            seq: 0,
            progressed: None,
        }
    }

    /// Adds what is to be told now; answers when there may be more. When the job is `over`, there will be none.
    pub(super) fn tell(
        &mut self,
        now: Instant,
        over: bool,
        reports: &mut Vec<Report>,
    ) -> Option<Instant> {
        for text in self.reporter.take_chunks() {
            self.seq += 1;
            let seq = self.seq;
            reports.push(self.report(Said::Chunk { seq, text }));
        }
        if !self.reporter.has_progress() {
            return None;
        }
        let due = self.progressed.map_or(now, |last| last + PROGRESS_EVERY);
        if now < due && !over {
            return Some(due);
        }
        self.progressed = Some(now);
        let progress = self
            .reporter
            .take_progress()
            .map(|progress| json!(progress));
        reports.extend(progress.map(|progress| self.report(Said::Progress(progress))));
        None
    }

    /// Nobody takes anything any more.
    pub(super) fn end(&self) {
        self.reporter.close();
    }

    fn report(&self, said: Said) -> Report {
        Report {
            id: self.job,
            claim_id: self.claim_id,
            said,
        }
    }
}
