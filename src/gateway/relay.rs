//! From Postgres to the hub: hears hints, reads what they are about, and hands it on.

mod look;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::connection;
use super::connection::Look::{Over, Said};
use super::hub::{Ended, Hub};
use super::known_tasks::KnownTasks;
use super::told::frame_of;
use super::watch::Watched;
use crate::ids::JobId;
use crate::notice::{self, NOTICE_CHANNEL};
use crate::postgres::link::limited;
use crate::postgres::listener::{Hearing, Listener, Wake};
use crate::postgres::{Advised, Backoff, Database, Link};
use crate::queue::fleet::{self, GatewayRow};
use crate::queue::read::{Outcome, outcomes};
use crate::queue::report::{self, Chunks, Position};
use crate::queue::tasks;
use crate::session;
use crate::shutdown::Stop;
use crate::telemetry::{self, FIGURES};
use crate::wire::{Frame, SYSTEM_GROUP};

use look::{Look, Unheard};

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
    pub(super) async fn run(
        mut self,
        hearing: Hearing,
        stop: Stop,
        relayed: Stop,
    ) -> anyhow::Result<()> {
        let relayed = relayed.drop_guard();
        let done_channel = format!("ringback_done_{}", self.gateway.id.0.simple());
        let channels = vec![done_channel.clone(), NOTICE_CHANNEL.to_owned()];
        let mut listener = Listener::new(&self.database, channels, hearing);
        let mut backoff = Backoff::new();
        let mut look = Look {
            hears: hearing == Hearing::Hints,
            ..Look::default()
        };
        loop {
            tokio::select! {
                wake = listener.next() => look.note(wake, &done_channel),
                Some(jobs) = self.wanted.recv() => look.jobs.extend(jobs),
                () = stop.cancelled() => break,
            }
            for _ in 0..HINTS_AT_ONCE {
                let Some(wake) = listener.try_next() else {
                    break;
                };
                look.note(wake, &done_channel);
            }
            while let Err(error) = self.look(&mut look).await {
                let delay = backoff.delay();
                if backoff.tells() {
                    tracing::warn!(
                        error = %Advised(&error), delay_ms = delay.as_millis(),
                        "could not read what happened, trying again"
                    );
                }
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
            session::leave_all(self.database.pool(), self.gateway.id).await?;
            fleet::gateway_left(self.database.pool(), self.gateway.id).await
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
        let looked = self.look_at_all(look).await;
        self.link.settle(&looked);
        looked
    }

    async fn look_at_all(&mut self, look: &mut Look) -> Result<(), sqlx::Error> {
        if let Some(unheard) = look.unheard {
            let (patience, limit) = match unheard {
                Unheard::All => (Duration::ZERO, usize::MAX),
                Unheard::Longest(every) => (every / 2, asked_for_in(every)),
            };
            look.polled = self.hub.unheard(patience, limit).into_iter().collect();
            look.jobs.extend(&look.polled);
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
            let page: Vec<JobId> = look.jobs.iter().copied().take(PAGE).collect();
            self.watched.wake(&page);
            // What a job has said comes before what became of it.
            self.stream(&page, Over).await?;
            let mut elsewhere = Vec::new();
            let reading = telemetry::span_start();
            for outcome in limited(outcomes(self.link.connected().await?, &page)).await? {
                // Whatever sockets of its session are still here: the row says where it is.
                if let Some(session) = outcome.session_id
                    && outcome.home.is_some_and(|home| home != self.gateway.id)
                    && look.hinted.contains(&outcome.id)
                {
                    elsewhere.push((session, outcome.id));
                }
                let is_hinted = look.hinted.contains(&outcome.id);
                let is_polled = !is_hinted && look.polled.contains(&outcome.id);
                if is_hinted || is_polled {
                    FIGURES.delivery.observe(outcome.since.max(0.0));
                }
                if is_polled && look.hears {
                    FIGURES.polled.inc();
                }
                self.deliver(outcome, reading);
            }
            if !elsewhere.is_empty() {
                let connection = self.link.connected().await?;
                limited(session::forward(connection, self.gateway.id, &elsewhere)).await?;
            }
            for job in &page {
                look.jobs.remove(job);
                look.hinted.remove(job);
            }
        }
        while look.notices || look.newest_notice > self.last_notice {
            let notices = limited(notice::after(
                self.link.connected().await?,
                SYSTEM_GROUP,
                self.last_notice,
            ))
            .await?;
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

    /// Sends what jobs have said to those who listen, as far as there is room.
    async fn stream(&mut self, jobs: &[JobId], why: connection::Look) -> Result<(), sqlx::Error> {
        let mut wanted = self.hub.listening(jobs, why);
        if wanted.is_empty() {
            return Ok(());
        }
        let listened_to: Vec<JobId> = wanted.iter().map(|(job, _)| *job).collect();
        while !wanted.is_empty() {
            let connection = self.link.connected().await?;
            let Chunks { chunks, more } =
                limited(report::chunks_after(connection, &wanted)).await?;
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
        let connection = self.link.connected().await?;
        for said in limited(report::progress_of(connection, &listened_to)).await? {
            self.hub.progress(&said);
        }
        Ok(())
    }

    /// Says that this gateway lives, and hears what the fleet can run and the number of the newest notice.
    async fn beat(&mut self) -> Result<i64, sqlx::Error> {
        let sockets = self.hub.sockets();
        let connection = self.link.connected().await?;
        let beat = fleet::gateway_beat(&mut *connection, &self.gateway, sockets, SYSTEM_GROUP);
        let heard = limited(beat).await?;
        if !self.tasks.are_those_of(&heard.tasks) {
            let tasks = limited(tasks::all(connection)).await?;
            self.tasks.replace(heard.tasks, tasks);
        }
        Ok(heard.last_notice)
    }

    /// Says which sessions are here, hears which are not any more, and finds what their earlier sockets left behind.
    async fn keep_sessions(&mut self, look: &mut Look) -> Result<(), sqlx::Error> {
        let seats = self.hub.seats();
        let connection = self.link.connected().await?;
        if Instant::now() >= self.let_go_at {
            limited(session::let_go(connection, self.gateway.id, &seats)).await?;
            self.let_go_at = Instant::now() + LET_GO_EVERY;
        }
        if !seats.is_empty() {
            for (gone, epoch) in limited(session::keep(connection, self.gateway.id, &seats)).await?
            {
                self.hub.taken_over(gone, epoch);
            }
        }
        for page in self.hub.unsettled().chunks(PAGE) {
            for (session, unread) in limited(session::unread(connection, page)).await? {
                look.jobs.extend(self.hub.found(session, &unread));
            }
        }
        Ok(())
    }

    /// Gives an outcome to whoever waits for it; where spans are exported, it was read from `reading` on.
    fn deliver(&self, mut outcome: Outcome, reading: Option<SystemTime>) {
        let (job, session) = (outcome.id, outcome.session_id.filter(|_| outcome.unread));
        let traced = reading.zip(outcome.traceparent.take());
        let traced = traced.map(|(since, parent)| (since, parent, outcome.state.clone()));
        let taken = self.hub.deliver(&Ended {
            job,
            session,
            text: frame_of(outcome).encode().into(),
        });
        if taken && let Some((since, parent, state)) = traced {
            telemetry::delivered(job, &state, &parent, since);
        }
    }
}

fn asked_for_in(time: Duration) -> usize {
    usize::try_from(UNHEARD_A_SECOND * time.as_millis() / 1_000).unwrap_or(usize::MAX)
}
