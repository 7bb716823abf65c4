//! Jobs that are asked for together: all are stored, or none, and there is one answer.

use std::sync::Arc;

use super::{Intake, Job, Reply, refused};
use crate::gateway::connection::Connection;
use crate::ids::JobId;
use crate::queue::NewJob;
use crate::queue::whole::{Whole, commit_whole};
use crate::wire::{ErrorItem, JobsQueuedPayload, ServerMessage};

impl Intake {
    pub(super) async fn store_many(&mut self, reply: Reply, asked: Vec<Job>) {
        let connection = Arc::clone(&reply.connection);
        let new: Vec<NewJob> = asked.iter().map(|job| self.new_job(&reply, job)).collect();
        let made: Vec<JobId> = new.iter().map(|job| job.id).collect();
        for (job, asked) in made.iter().zip(&asked) {
            self.hub.expect(&connection, *job, asked.listens());
        }
        let error = match commit_whole(&mut self.link, &new, reply.patience()).await {
            Whole::Stored(job_ids) => {
                let repeated = self.join_many(&connection, &asked, &made, &job_ids).await;
                let payload = JobsQueuedPayload {
                    job_ids: job_ids.clone(),
                };
                let text = reply.frame(ServerMessage::JobsQueued(payload));
                self.hub.queued(&connection, &job_ids, text);
                // They may be over already. Where there is no room, this is found by polling.
                let _ = self.wanted.try_send(repeated);
                return;
            }
            Whole::Conflict(number) => ErrorItem::key_conflict().of_job(number),
            Whole::Refused(refusal) => refused(&refusal),
        };
        let text = reply.frame(ServerMessage::Error(vec![error]));
        self.hub.refused(&connection, &made, text);
    }

    /// Gives those of the jobs that were submitted before to who has asked for them again; answers which.
    async fn join_many(
        &mut self,
        connection: &Arc<Connection>,
        asked: &[Job],
        made: &[JobId],
        stored: &[JobId],
    ) -> Vec<JobId> {
        let mut repeated = Vec::new();
        for ((asked, made), stored) in asked.iter().zip(made).zip(stored) {
            if made != stored {
                self.hub.forget(connection, *made);
                self.hub.expect(connection, *stored, asked.listens());
                repeated.push((*stored, Arc::clone(connection)));
            }
        }
        if !repeated.is_empty() {
            self.address(&repeated).await;
        }
        repeated.into_iter().map(|(job, _)| job).collect()
    }
}
