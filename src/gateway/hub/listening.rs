//! What running jobs say, for everyone who listens.

use axum::extract::ws::Utf8Bytes;

use super::Hub;
use crate::gateway::connection::Look;
use crate::ids::JobId;
use crate::queue::report::{Chunk, Position, Progress};
use crate::wire::{chunk_message, progress_message};

impl Hub {
    /// Those of these jobs that somebody listens to who has room, and from where: whoever has the least of it.
    pub(in crate::gateway) fn listening(
        &self,
        jobs: &[JobId],
        look: Look,
    ) -> Vec<(JobId, Position)> {
        let here = self.lock();
        let least = |job: &JobId| {
            let askers = here.askers.of(*job).iter();
            askers.filter_map(|asker| asker.listens(*job, look)).min()
        };
        let listening = jobs.iter().filter_map(|job| Some((*job, least(job)?)));
        listening.collect()
    }

    /// The pieces of one job's text after `from`, in their order, for everyone who listens.
    pub(in crate::gateway) fn say(&self, from: Position, chunks: &[Chunk]) {
        let Some(first) = chunks.first() else { return };
        let frame = |chunk: &Chunk| {
            let Position { attempt, seq } = chunk.at;
            let frame = chunk_message(chunk.id, attempt, seq, chunk.text.clone());
            (chunk.at, frame.encode().into())
        };
        let frames: Vec<(Position, Utf8Bytes)> = chunks.iter().map(frame).collect();
        for asker in self.askers(first.id) {
            asker.say(first.id, from, &frames);
        }
    }

    /// A job has said nothing after `last`, as far as is known.
    pub(in crate::gateway) fn said_all(&self, job: JobId, last: Position) {
        for asker in self.askers(job) {
            asker.said_all(job, last);
        }
    }

    /// How far a job is, for everyone who listens.
    pub(in crate::gateway) fn progress(&self, said: &Progress) {
        // What we cannot read is not a progress.
        let Ok(payload) = serde_json::from_str(&said.progress) else {
            return;
        };
        let frame = progress_message(said.id, said.attempt, payload);
        let text: Utf8Bytes = frame.encode().into();
        for asker in self.askers(said.id) {
            asker.progress(said.id, &text);
        }
    }
}
