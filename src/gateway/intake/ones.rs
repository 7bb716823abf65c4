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
            self.hub.expect(&reply.connection, job.id, asked.listens());
        }
        let patience = batch.iter().map(|(reply, _)| reply.patience()).min();
        let answers = commit(&mut self.link, Rows::New(&jobs), patience).await;
        let mut repeated = Vec::new();
        for (((reply, asked), job), answer) in batch.into_iter().zip(jobs).zip(answers) {
            let error = match answer {
                Answer::Stored => {
                    self.queued(reply, &asked, job.id);
                    continue;
                }
                Answer::Repeats { job: other, same } => {
                    if same {
                        self.hub.forget(&reply.connection, job.id);
                        repeated.push((reply, asked, other));
                        continue;
                    }
                    ErrorItem::key_conflict()
                }
                Answer::Refused(refusal) => refused(&refusal),
            };
            let connection = Arc::clone(&reply.connection);
            let text = reply.frame(ServerMessage::Error(vec![error]));
            self.hub.refused(&connection, &[job.id], text);
        }
        if !repeated.is_empty() {
            self.join(repeated).await;
        }
    }

    /// Gives jobs that were submitted before to those who have asked for them again.
    async fn join(&mut self, repeated: Vec<(Reply, Job, JobId)>) {
        for (reply, asked, job) in &repeated {
            self.hub.expect(&reply.connection, *job, asked.listens());
        }
        let addresses: Vec<(JobId, Arc<Connection>)> = repeated
            .iter()
            .map(|(reply, _, job)| (*job, Arc::clone(&reply.connection)))
            .collect();
        self.address(&addresses).await;
        for (reply, asked, job) in repeated {
            self.queued(reply, &asked, job);
        }
        // They may be over already. Where there is no room, this is found by polling.
        let jobs = addresses.into_iter().map(|(job, _)| job).collect();
        let _ = self.wanted.try_send(jobs);
    }

    fn queued(&self, reply: Reply, asked: &Job, job: JobId) {
        let payload = &asked.payload;
        let text = queued_text(&payload.task_type, &payload.to_text(), job);
        let frame = Frame {
            job_id: Some(job),
            ..Frame::answering(ServerMessage::JobQueued(text), reply.reference)
        };
        let text = frame.encode().into();
        self.hub.queued(&reply.connection, &[job], text);
        drop(reply.turn);
    }
}
