//! What jobs say while they run, handed to those who listen.

use std::collections::HashMap;

use super::Relay;
use crate::gateway::connection;
use crate::ids::JobId;
use crate::queue::report::{self, Chunks, Position};

impl Relay {
    /// Sends what jobs have said to those who listen, as far as there is room.
    pub(super) async fn stream(
        &mut self,
        jobs: &[JobId],
        why: connection::Look,
    ) -> Result<(), sqlx::Error> {
        let mut wanted = self.hub.listening(jobs, why);
        if wanted.is_empty() {
            return Ok(());
        }
        let listened_to: Vec<JobId> = wanted.iter().map(|(job, _)| *job).collect();
        while !wanted.is_empty() {
            let chunks = self
                .link
                .run(async |connection| report::chunks_after(connection, &wanted).await);
            let Chunks { chunks, more } = chunks.await?;
            let from: HashMap<JobId, Position> = wanted.into_iter().collect();
            let mut last = from.clone();
            for of_one in chunks.chunk_by(|one, other| one.id == other.id) {
                self.hub.say(from[&of_one[0].id], of_one);
                last.extend(of_one.last().map(|chunk| (chunk.id, chunk.at)));
            }
            for (job, last) in last {
                if !more.contains(&job) {
                    self.hub.said_all(job, last);
                }
            }
            wanted = self.hub.listening(&more, why);
        }
        let progress = self
            .link
            .run(async |connection| report::progress_of(connection, &listened_to).await);
        for said in progress.await? {
            self.hub.progress(&said);
        }
        Ok(())
    }
}
