//! From Postgres to the hub: hears hints, reads what they are about, and hands it on.

mod look;
mod said;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::connection::Look::{Over, Said};
use super::hub::{Ended, Hub};
use super::known_tasks::KnownTasks;
use super::told::frame_of;
use super::watch::Watched;
use crate::ids::JobId;
use crate::notice::{self, NOTICE_CHANNEL};
use crate::postgres::listener::{Hearing, Listener, Wake};
use crate::postgres::{Backoff, Database, Link};
use crate::queue::fleet::{self, GatewayRow};
use crate::queue::read::{Outcome, outcomes};
use crate::queue::tasks;
use crate::session;
use crate::shutdown::Stop;
use crate::telemetry::{self, FIGURES};
use crate::wire::{Frame, SYSTEM_GROUP};

use look::{Look, Unheard, Why};

/// How many outcomes are read at once.
const PAGE: usize = 500;

/// How many jobs that nothing was heard of are asked for in a second.
const UNHEARD_A_SECOND: u128 = 1_000;

/// How long the last look, when the gateway stops, may take.
const LAST_LOOK: Duration = Duration::from_secs(5);

/// How many hints are read together.
const HINTS_AT_ONCE: usize = 100;

/// How many jobs may wait to be looked at; what finds no place is found by polling.
pub(super) const WANTED: usize = 1_000;

/// How often sessions that have no socket here any more are let go of, that nobody let go of when it went.
const LET_GO_EVERY: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct Relay {
    pub(super) link: Link,
    pub(super) database: Database,
    pub(super) gateway: GatewayRow,
    pub(super) hearing: Hearing,
    pub(super) hub: Arc<Hub>,
    pub(super) watched: Arc<Watched>,
    pub(super) tasks: Arc<KnownTasks>,
    /// Jobs that are to be looked at because somebody has asked for them again.
    pub(super) wanted: mpsc::Receiver<Vec<JobId>>,
    /// The last notice that all sockets have been given.
    pub(super) last_notice: i64,
    /// When to let go of sessions.
    pub(super) let_go_at: Instant,
}

impl Relay {
    /// Relays until it is told to stop; then looks once more at everything, so that what has finished until now is
    /// delivered before the sockets are closed, and gives `relayed`.
    pub(super) async fn run(mut self, stop: Stop, relayed: Stop) -> anyhow::Result<()> {
        let relayed = relayed.drop_guard();
        let done_channel = format!("ringback_done_{}", self.gateway.id.0.simple());
        let channels = vec![done_channel.clone(), NOTICE_CHANNEL.to_owned()];
        let mut listener = Listener::new(&self.database, channels, self.hearing);
        let mut backoff = Backoff::new();
        let mut look = Look::default();
        loop {
            tokio::select! {
                wake = listener.next() => look.note(wake, &done_channel),
                Some(jobs) = self.wanted.recv() => look.note_jobs(jobs, Why::Asked),
                () = stop.cancelled() => break,
            }
            for _ in 0..HINTS_AT_ONCE {
                let Some(wake) = listener.try_next() else {
                    break;
                };
                look.note(wake, &done_channel);
            }
            while let Err(error) = self.look(&mut look).await {
                let delay = backoff.failed(&error, "could not read what happened");
                if !crate::shutdown::sleep(delay, &stop).await {
                    break;
                }
            }
            backoff.reset();
        }
        look.note(Wake::Sweep, &done_channel);
        let last = async {
            self.look(&mut look).await?;
            drop(relayed);
            let gateway = self.gateway.id;
            let left = self.database.run(async |connection| {
                session::leave_all(&mut *connection, gateway).await?;
                fleet::gateway_left(connection, gateway).await
            });
            left.await
        };
        match tokio::time::timeout(LAST_LOOK, last).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "could not look a last time"),
            Err(_) => tracing::warn!("the database did not answer a last time"),
        }
        Ok(())
    }

    /// Looks, and forgets what it has looked at; what an error keeps it from is looked at the next time.
    async fn look(&mut self, look: &mut Look) -> Result<(), sqlx::Error> {
        if let Some(unheard) = look.unheard {
            let (patience, limit) = match unheard {
                Unheard::All => (Duration::ZERO, usize::MAX),
                Unheard::Longest(every) => (every / 2, asked_for_in(every)),
            };
            look.note_jobs(self.hub.unheard(patience, limit), Why::Polled);
            look.newest_notice = self.beat().await?;
            self.keep_sessions(look).await?;
            look.unheard = None;
        }
        for (session, epoch) in look.taken.drain(..) {
            self.hub.taken_over(session, epoch);
        }
        while !look.said.is_empty() {
            let page: Vec<JobId> = look.said.iter().copied().take(PAGE).collect();
            self.watched.wake(&page);
            self.stream(&page, Said).await?;
            for job in &page {
                look.said.remove(job);
            }
        }
        while !look.jobs.is_empty() {
            let page: Vec<JobId> = look.jobs.keys().copied().take(PAGE).collect();
            self.watched.wake(&page);
            let mut elsewhere = Vec::new();
            let reading = telemetry::span_start();
            let found = self
                .link
                .run(async |connection| outcomes(connection, &page).await);
            let found = found.await?;
            // What a job has said comes before what became of it, and is read after that: then it is all there.
            self.stream(&page, Over).await?;
            for outcome in found {
                // Whatever sockets of its session are still here: the row says where it is.
                if let Some(session) = outcome.session_id
                    && outcome.home.is_some_and(|home| home != self.gateway.id)
                    && look.jobs.get(&outcome.id) == Some(&Why::Hinted)
                {
                    elsewhere.push((session, outcome.id));
                }
                let why = look.jobs.get(&outcome.id).copied();
                self.deliver(outcome, why.unwrap_or(Why::Asked), reading);
            }
            if !elsewhere.is_empty() {
                let gateway = self.gateway.id;
                let forwarded = self.link.run(async |connection| {
                    session::forward(connection, gateway, &elsewhere).await
                });
                forwarded.await?;
            }
            for job in &page {
                look.jobs.remove(job);
            }
        }
        while look.notices || look.newest_notice > self.last_notice {
            let last = self.last_notice;
            let notices = self
                .link
                .run(async |connection| notice::after(connection, SYSTEM_GROUP, last).await);
            let notices = notices.await?;
            look.notices = !notices.is_empty();
            if notices.is_empty() {
                // Whatever is missing up to there has expired.
                self.last_notice = self.last_notice.max(look.newest_notice);
            }
            for notice in notices {
                let text = Frame::notice(notice.number, notice.content).encode();
                self.hub.notify(notice.number, &text.into());
                self.last_notice = notice.number;
            }
        }
        Ok(())
    }

    /// Says that this gateway lives, and hears what the fleet can run and the number of the newest notice.
    async fn beat(&mut self) -> Result<i64, sqlx::Error> {
        let sockets = self.hub.sockets();
        let gateway = &self.gateway;
        let beat = self.link.run(async |connection| {
            fleet::gateway_beat(connection, gateway, sockets, SYSTEM_GROUP).await
        });
        let heard = beat.await?;
        if !self.tasks.are_those_of(&heard.tasks) {
            let tasks = self
                .link
                .run(async |connection| tasks::all(connection).await);
            let tasks = tasks.await?;
            self.tasks.replace(heard.tasks, tasks);
        }
        Ok(heard.last_notice)
    }

    /// Says which sessions are here, hears which are not any more, and finds what their earlier sockets left behind.
    async fn keep_sessions(&mut self, look: &mut Look) -> Result<(), sqlx::Error> {
        let seats = self.hub.seats();
        let gateway = self.gateway.id;
        if Instant::now() >= self.let_go_at {
            let let_go = self
                .link
                .run(async |connection| session::let_go(connection, gateway, &seats).await);
            let_go.await?;
            self.let_go_at = Instant::now() + LET_GO_EVERY;
        }
        if !seats.is_empty() {
            let kept = self
                .link
                .run(async |connection| session::keep(connection, gateway, &seats).await);
            for (gone, epoch) in kept.await? {
                self.hub.taken_over(gone, epoch);
            }
        }
        for page in self.hub.unsettled().chunks(PAGE) {
            let unread = self
                .link
                .run(async |connection| session::unread(connection, page).await);
            for (session, unread) in unread.await? {
                look.note_jobs(self.hub.found(session, &unread), Why::Asked);
            }
        }
        Ok(())
    }

    /// Gives an outcome to whoever waits for it; where spans are exported, it was read from `reading` on.
    fn deliver(&self, mut outcome: Outcome, why: Why, reading: Option<SystemTime>) {
        let since_its_end = outcome.since.max(0.0);
        let (job, session) = (outcome.id, outcome.session_id.filter(|_| outcome.unread));
        let traced = reading.zip(outcome.traceparent.take());
        let traced = traced.map(|(since, parent)| (since, parent, outcome.state.clone()));
        let taken = self.hub.deliver(&Ended {
            job,
            session,
            text: frame_of(outcome).encode().into(),
        });
        if !taken {
            return;
        }
        // Whoever asks later, or was away, was not waiting.
        if why > Why::Asked {
            FIGURES.delivery.observe(since_its_end);
        }
        if why == Why::Polled && self.hearing == Hearing::Hints {
            FIGURES.polled.inc();
        }
        if let Some((since, parent, state)) = traced {
            telemetry::delivered(job, &state, &parent, since);
        }
    }
}

fn asked_for_in(time: Duration) -> usize {
    usize::try_from(UNHEARD_A_SECOND * time.as_millis() / 1_000).unwrap_or(usize::MAX)
}
