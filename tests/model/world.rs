//! What there is in the model: a job of a session, the workers, the gateways with their sockets, and the client.

use crate::rules::Rules;

/// Everything at one moment. Nothing else decides what can happen next.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct World {
    pub(crate) job: Job,
    /// The session's row.
    pub(crate) session: Session,
    /// Whether the job's outcome is in the session's mailbox.
    pub(crate) mailbox: bool,
    /// How many claims were made: each has a number of its own.
    pub(crate) claims: u8,
    pub(crate) workers: [Worker; 2],
    pub(crate) gateways: [Gateway; 2],
    pub(crate) client: Client,
    /// How many faults are still to come.
    pub(crate) faults: u8,
    /// What must never happen, once it has.
    pub(crate) wrong: Option<Wrong>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Job {
    Ready {
        attempt: u8,
    },
    Running(Claim),
    /// In the history.
    Over,
}

/// A claim as the job's row carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Claim {
    pub(crate) id: u8,
    pub(crate) attempt: u8,
    pub(crate) worker: usize,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Worker {
    /// What it runs, or has the outcome of: more than one where a claim was lost and it has claimed again.
    pub(crate) holds: Vec<Claim>,
    pub(crate) commits: Option<Commit>,
}

/// An open transaction: the row is locked, and who is to be told was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Commit {
    pub(crate) claim: Claim,
    pub(crate) address: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Session {
    pub(crate) gateway: Option<usize>,
    pub(crate) epoch: u8,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Gateway {
    pub(crate) is_dead: bool,
    /// In the order of their commits.
    pub(crate) hints: Vec<Hint>,
    /// It has heard of an outcome that concerns nobody here, and is about to pass that on.
    pub(crate) passes_on: bool,
    pub(crate) sockets: Vec<Socket>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Hint {
    /// The job is over.
    Over { passed_on: bool },
    /// The session has gone elsewhere.
    Taken { epoch: u8 },
}

/// A socket of the session. Its epoch names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Socket {
    pub(crate) epoch: u8,
    pub(crate) stage: Stage,
    /// What it has read of the session, while it catches up.
    pub(crate) read: Option<Read>,
    /// It waits for the job.
    pub(crate) waits: bool,
    /// It has heard of the outcome while it was catching up.
    pub(crate) heard: bool,
    /// The outcome is about to be looked at for it.
    pub(crate) looks: bool,
    /// The outcome was put in its outbox.
    pub(crate) sent: bool,
    /// The outcome has not reached the client yet.
    pub(crate) on_its_way: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Stage {
    /// It has the session's row, and the hub does not know of it yet.
    Opening,
    /// The hub knows of it; it is still to read what it has missed.
    CatchingUp,
    Live,
    /// Told to go; it is still in the hub.
    Closed,
    /// Gone from the hub; the row is still to be told.
    Leaving,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Read {
    pub(crate) finished: bool,
    pub(crate) pending: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Client {
    /// Its socket: at which gateway, with which epoch.
    pub(crate) socket: Option<(usize, u8)>,
    pub(crate) has_result: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Wrong {
    /// An outcome was recorded under a claim that is not its own.
    Misrecorded,
    /// One socket was sent the outcome twice.
    SentTwice,
    /// The client's latest socket was told not to come back.
    Barred,
}

impl World {
    /// A client has submitted a job at the first gateway, and waits.
    pub(crate) fn new(faults: u8) -> Self {
        let socket = Socket {
            stage: Stage::Live,
            waits: true,
            ..Socket::opening(1)
        };
        let mut gateways = [Gateway::default(), Gateway::default()];
        gateways[0].sockets.push(socket);
        Self {
            job: Job::Ready { attempt: 0 },
            session: Session {
                gateway: Some(0),
                epoch: 1,
            },
            mailbox: false,
            claims: 0,
            workers: [Worker::default(), Worker::default()],
            gateways,
            client: Client {
                socket: Some((0, 1)),
                has_result: false,
            },
            faults,
            wrong: None,
        }
    }

    /// Whether a worker's transaction is open on the job's row.
    pub(crate) fn is_locked(&self) -> bool {
        let mut workers = self.workers.iter();
        workers.any(|worker| worker.commits.is_some())
    }

    pub(crate) fn socket(&mut self, gateway: usize, epoch: u8) -> &mut Socket {
        let sockets = &mut self.gateways[gateway].sockets;
        let socket = sockets.iter_mut().find(|socket| socket.epoch == epoch);
        socket.expect("steps are taken by sockets that are there")
    }

    /// Sends a hint; it reaches a gateway that is alive.
    pub(crate) fn hint(&mut self, gateway: usize, hint: Hint) {
        if !self.gateways[gateway].is_dead {
            self.gateways[gateway].hints.push(hint);
        }
    }

    /// Tells a socket to go: its client is not to come back.
    pub(crate) fn close(&mut self, gateway: usize, epoch: u8) {
        self.socket(gateway, epoch).stage = Stage::Closed;
        if self.client.socket == Some((gateway, epoch)) {
            self.wrong = Some(Wrong::Barred);
        }
    }
}

impl Socket {
    pub(crate) fn opening(epoch: u8) -> Self {
        Self {
            epoch,
            stage: Stage::Opening,
            read: None,
            waits: false,
            heard: false,
            looks: false,
            sent: false,
            on_its_way: false,
        }
    }

    /// Whether it is to be sent the outcome, which is in the mailbox or not.
    pub(crate) fn wants(&self, is_unread: bool, rules: &Rules) -> bool {
        (self.waits || is_unread) && !(self.sent && rules.remembers)
    }

    /// Puts the outcome in its outbox.
    pub(crate) fn send(&mut self) -> Option<Wrong> {
        let is_second = std::mem::replace(&mut self.sent, true);
        self.waits = false;
        self.on_its_way = true;
        is_second.then_some(Wrong::SentTwice)
    }
}
