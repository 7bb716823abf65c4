//! What comes from NATS.

use async_nats::{Client, Message, Subscriber};
use futures_util::stream::{self, SelectAll, Stream, StreamExt};
use tokio::sync::watch;
use uuid::Uuid;

use crate::postgres::listener::Wake;

/// Hears the hints of some channels.
pub(super) struct Ears {
    client: Client,
    prefix: String,
    channels: Vec<String>,
    missed: watch::Receiver<()>,
    /// Where we hear ourselves: what comes back there has gone through the server, after everything that we subscribe to.
    echo: String,
    heard: SelectAll<Subscriber>,
}

impl Ears {
    pub(super) fn new(
        client: Client,
        prefix: String,
        channels: Vec<String>,
        mut missed: watch::Receiver<()>,
    ) -> Self {
        // What was sent before now.
        missed.mark_changed();
        Self {
            client,
            echo: format!("{prefix}.echo.{}", Uuid::new_v4().simple()),
            prefix,
            channels,
            missed,
            heard: SelectAll::new(),
        }
    }

    /// Everything that it hears. What is being waited for goes on being waited for when nobody asks.
    pub(super) fn wakes(self) -> impl Stream<Item = Wake> + Send {
        stream::unfold(self, |mut ears| async {
            let wake = ears.next().await?;
            Some((wake, ears))
        })
    }

    /// None when the connection is closed for ever, which is when the process ends.
    async fn next(&mut self) -> Option<Wake> {
        if self.heard.is_empty() {
            let channels = self.channels.iter();
            let mut subjects: Vec<String> = channels
                .map(|channel| format!("{}.{channel}", self.prefix))
                .collect();
            subjects.push(self.echo.clone());
            for subject in subjects {
                self.heard.push(self.client.subscribe(subject).await.ok()?);
            }
        }
        loop {
            tokio::select! {
                missed = self.missed.changed() => {
                    missed.ok()?;
                    // Listen first, then sweep: we look when we are sure to be heard, which is when we hear ourselves.
                    self.client.publish(self.echo.clone(), "".into()).await.ok()?;
                }
                heard = self.heard.next() => return Some(self.wake(&heard?)),
            }
        }
    }

    fn wake(&self, message: &Message) -> Wake {
        let subject = message.subject.as_str();
        if subject == self.echo {
            return Wake::Sweep;
        }
        let channel = subject.strip_prefix(&self.prefix).unwrap_or(subject);
        Wake::Hint {
            channel: channel.trim_start_matches('.').to_owned(),
            payload: String::from_utf8_lossy(&message.payload).into_owned(),
        }
    }
}
