//! Jobs that are asked for together: all are stored, or none, and there is one answer.

use std::sync::Arc;

use super::{Intake, Job, Reply, refused};
use crate::gateway::connection::Connection;
use crate::ids::JobId;
use crate::queue::NewJob;
use crate::queue::whole::{Whole, commit_whole};
use crate::wire::{ErrorItem, Frame, JobsQueuedPayload, ServerMessage};

impl Intake {
    pub(super) async fn store_many(&mut self, reply: Reply, mut asked: Vec<Job>) {
        let new: Vec<NewJob> = asked.iter().map(|job| self.new_job(&reply, job)).collect();
        let made: Vec<JobId> = new.iter().map(|job| job.id).collect();
        for (job, asked) in made.iter().zip(&asked) {
            reply.expect(&self.hub, *job, asked.listens());
        }
        let error = match commit_whole(&mut self.link, &new, reply.patience()).await {
            Whole::Stored(job_ids) => {
                let repeated = self.join_many(&reply, &asked, &made, &job_ids).await;
                for (asked, job) in asked.iter_mut().zip(&job_ids) {
                    asked.stored(*job);
                }
                let payload = JobsQueuedPayload {
                    job_ids: job_ids.clone(),
                };
                let frame = Frame::new(ServerMessage::JobsQueued(payload));
                reply.stored(&self.hub, job_ids, frame);
                self.look_at(&repeated);
                return;
            }
            Whole::Conflict(number) => ErrorItem::key_conflict().of_job(number),
            Whole::Refused(refusal) => refused(&refusal),
        };
        for asked in &mut asked {
            asked.refused(&error);
        }
        reply.refused(&self.hub, &made, error);
    }

    /// Gives those of the jobs that were submitted before to the socket that has asked for them again; answers which.
    async fn join_many(
        &mut self,
        reply: &Reply,
        asked: &[Job],
        made: &[JobId],
        stored: &[JobId],
    ) -> Vec<(JobId, Arc<Connection>)> {
        let mut repeated = Vec::new();
        let Some(connection) = reply.connection() else {
            return repeated;
        };
        for ((asked, made), stored) in asked.iter().zip(made).zip(stored) {
            if made != stored {
                reply.forget(&self.hub, *made);
                reply.expect(&self.hub, *stored, asked.listens());
                repeated.push((*stored, Arc::clone(connection)));
            }
        }
        self.address(&repeated).await;
        repeated
    }
}
