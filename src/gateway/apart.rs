//! Parts of the gateway that run by themselves, so that they can be measured. Nothing of this serves anybody.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use axum::extract::ws::Utf8Bytes;
use tokio::sync::mpsc;

use super::connection::{Connection, Listens};
use super::hub::{Ended, Hub};
use super::intake::{Asked, Intake, Job, Submission, WAITING, request};
use super::known_tasks::Known;
use super::relay::WANTED;
use super::subjects::Grant;
use crate::auth::Identity;
use crate::ids::{GatewayId, JobId, JobIds};
use crate::postgres::Database;
use crate::queue::tasks::KnownTask;
use crate::shutdown::Stop;
use crate::wire::{Frame, ServerMessage, TaskPayload};

/// The sockets of a gateway, of which nobody is at the other end.
#[derive(Debug)]
pub struct Sockets {
    hub: Hub,
    all: Vec<Arc<Connection>>,
    notices: i64,
}

impl Sockets {
    /// So many of them.
    #[must_use]
    pub fn new(count: usize) -> Self {
        let hub = Hub::default();
        let anyone = Arc::new(Identity::anyone());
        let all: Vec<_> = (0..count)
            .map(|_| Arc::new(Connection::new(Arc::clone(&anyone))))
            .collect();
        for connection in &all {
            hub.join(connection);
        }
        Self {
            hub,
            all,
            notices: 0,
        }
    }

    /// Gives each of them a notice, which is encoded once.
    pub fn notify(&mut self, content: &str) {
        self.notices += 1;
        let text = Frame::notice(self.notices, content.to_owned()).encode();
        self.hub.notify(self.notices, &text.into());
    }

    /// Gives each of them the outcome of a job that it has asked for.
    pub fn deliver(&self) {
        for connection in &self.all {
            let job = JobId(connection.id.0);
            self.hub.expect(connection, job, Listens::No);
            self.hub.queued(connection, &[job], "queued".into());
            let text: Utf8Bytes = Frame::about(job, ServerMessage::JobResult("done".to_owned()))
                .encode()
                .into();
            self.hub.deliver(&Ended {
                job,
                session: None,
                text,
            });
        }
    }

    /// Takes what waits to be written to each; answers how many messages that were.
    #[must_use]
    pub fn take(&self) -> usize {
        let taken = self
            .all
            .iter()
            .map(|connection| connection.take().messages.len());
        taken.sum()
    }
}

/// An intake that is not asked over sockets.
#[derive(Clone, Debug)]
pub struct Desk {
    anyone: Arc<Identity>,
    submissions: mpsc::Sender<Submission>,
    task: Arc<Known>,
}

impl Desk {
    /// Opens one for jobs of one task, and what is to be run so that it commits them, until `last` is given.
    pub fn open(
        database: &Database,
        task: KnownTask,
        last: Stop,
    ) -> (
        Self,
        impl Future<Output = anyhow::Result<()>> + Send + use<>,
    ) {
        let (submissions, receive) = mpsc::channel(WAITING);
        let (wanted, _) = mpsc::channel(WANTED);
        let intake = Intake {
            link: database.link("intake"),
            ids: JobIds::default(),
            hub: Arc::default(),
            gateway: GatewayId::random(),
            keep_keys: Duration::from_secs(60),
            wanted,
        };
        let anyone = Arc::new(Identity::anyone());
        let desk = Self {
            anyone,
            submissions,
            task: Arc::new(Known { task, kind: None }),
        };
        (desk, intake.run(receive, last))
    }

    /// Asks for a job, and waits until it is stored.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn submit(&self, payload: TaskPayload) -> anyhow::Result<()> {
        let task = Arc::clone(&self.task);
        let asked = Asked::One(Job {
            input: payload.to_input(),
            payload,
            task,
            span: None,
        });
        match request(
            &self.submissions,
            Arc::clone(&self.anyone),
            Grant::default(),
            asked,
        )
        .await
        {
            Ok(_) => Ok(()),
            Err(error) => bail!("a job was refused: {}", error.msg),
        }
    }
}
