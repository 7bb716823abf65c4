//! Jobs that are asked for one by one: stored together, each answered for itself.

use std::sync::Arc;

use super::{Intake, Job, Reply, refused};
use crate::gateway::connection::Connection;
use crate::ids::JobId;
use crate::queue::{Answer, NewJob, Rows, commit};
use crate::wire::{ErrorItem, Frame, ServerMessage, queued_text};

impl Intake {
    pub(super) async fn store_ones(&mut self, batch: Vec<(Reply, Job)>) {
        let jobs: Vec<NewJob> = batch
            .iter()
            .map(|(reply, job)| self.new_job(reply, job))
            .collect();
        for ((reply, asked), job) in batch.iter().zip(&jobs) {
            reply.expect(&self.hub, job.id, asked.listens());
        }
        let patience = batch.iter().map(|(reply, _)| reply.patience()).min();
        let answers = commit(&mut self.link, Rows::New(&jobs), patience).await;
        let mut repeated = Vec::new();
        for (((reply, mut asked), job), answer) in batch.into_iter().zip(jobs).zip(answers) {
            let error = match answer {
                Answer::Stored => {
                    self.queued(reply, &mut asked, job.id);
                    continue;
                }
                Answer::Repeats { job: other, same } => {
                    if same {
                        reply.forget(&self.hub, job.id);
                        repeated.push((reply, asked, other));
                        continue;
                    }
                    ErrorItem::key_conflict()
                }
                Answer::Refused(refusal) => refused(&refusal),
            };
            asked.refused(&error);
            reply.refused(&self.hub, &[job.id], error);
        }
        self.join(repeated).await;
    }

    /// Gives jobs that were submitted before to those who have asked for them again.
    async fn join(&mut self, repeated: Vec<(Reply, Job, JobId)>) {
        for (reply, asked, job) in &repeated {
            reply.expect(&self.hub, *job, asked.listens());
        }
        let sockets = repeated
            .iter()
            .filter_map(|(reply, _, job)| Some((*job, Arc::clone(reply.connection()?))));
        let sockets: Vec<(JobId, Arc<Connection>)> = sockets.collect();
        self.address(&sockets).await;
        for (reply, mut asked, job) in repeated {
            self.queued(reply, &mut asked, job);
        }
        self.look_at(&sockets);
    }

    fn queued(&self, reply: Reply, asked: &mut Job, job: JobId) {
        asked.stored(job);
        let payload = &asked.payload;
        let text = queued_text(&payload.task_type, &payload.to_text(), job);
        let frame = Frame::about(job, ServerMessage::JobQueued(text));
        reply.stored(&self.hub, vec![job], frame);
    }
}
