//! What can happen in the model, one step at a time: each is one statement, one commit, or one turn of a lock.

use crate::effects::poll;
use crate::rules::{Order, Rules};
use crate::world::{Job, Stage, Worker, World};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    // A worker.
    Claim(usize),
    /// With the outcome of the first, or the second, that it holds.
    BeginFinish(usize, usize),
    CommitFinish(usize),
    /// The sweeper takes back what nobody holds any more.
    Recover,

    // A gateway.
    Hear(usize),
    PassOn(usize),
    Poll(usize),

    // A socket, by its gateway and epoch.
    Register(usize, u8),
    Read(usize, u8),
    CatchUp(usize, u8),
    Look(usize, u8),
    Leave(usize, u8),
    LeaveRow(usize, u8),

    // The client.
    Resume(usize),
    Receive,
    Acknowledge,

    // Faults.
    CutClient,
    KillWorker(usize),
    /// The sweeper takes back what a living worker holds.
    Misjudge,
    AbortFinish(usize),
    KillGateway(usize),
    LoseHint(usize),
    /// The server dies; a claim, which is committed asynchronously, may be lost with it.
    CrashDatabase {
        loses_claim: bool,
    },
}

impl Step {
    pub(crate) fn is_fault(self) -> bool {
        match self {
            Self::CutClient
            | Self::KillWorker(_)
            | Self::Misjudge
            | Self::AbortFinish(_)
            | Self::KillGateway(_)
            | Self::LoseHint(_)
            | Self::CrashDatabase { .. } => true,
            Self::Claim(_)
            | Self::BeginFinish(..)
            | Self::CommitFinish(_)
            | Self::Recover
            | Self::Hear(_)
            | Self::PassOn(_)
            | Self::Poll(_)
            | Self::Register(..)
            | Self::Read(..)
            | Self::CatchUp(..)
            | Self::Look(..)
            | Self::Leave(..)
            | Self::LeaveRow(..)
            | Self::Resume(_)
            | Self::Receive
            | Self::Acknowledge => false,
        }
    }
}

/// How many jobs a worker runs at once.
const SLOTS: usize = 2;

/// What goes on by itself.
pub(crate) fn steps(rules: &Rules, world: &World) -> Vec<Step> {
    let mut steps = Vec::new();
    for (number, worker) in world.workers.iter().enumerate() {
        if worker.commits.is_some() {
            steps.push(Step::CommitFinish(number));
        }
        if !world.is_locked() {
            if matches!(world.job, Job::Ready { .. }) && worker.holds.len() < SLOTS {
                steps.push(Step::Claim(number));
            }
            let held = 0..worker.holds.len();
            steps.extend(held.map(|held| Step::BeginFinish(number, held)));
        }
    }
    if let Job::Running(claim) = world.job
        && world
            .workers
            .iter()
            .all(|worker| !worker.holds.contains(&claim))
        && !world.is_locked()
    {
        steps.push(Step::Recover);
    }
    for (number, gateway) in world.gateways.iter().enumerate() {
        if !gateway.hints.is_empty() {
            steps.push(Step::Hear(number));
        }
        if gateway.passes_on {
            steps.push(Step::PassOn(number));
        }
        if rules.polls && poll(rules, world, number).is_some() {
            steps.push(Step::Poll(number));
        }
        for socket in &gateway.sockets {
            let epoch = socket.epoch;
            let is_gone = world.client.socket != Some((number, epoch));
            let may_read = match rules.order {
                Order::RegisterThenRead => Stage::CatchingUp,
                Order::ReadThenRegister => Stage::Opening,
            };
            if socket.stage == may_read && socket.read.is_none() {
                steps.push(Step::Read(number, epoch));
            }
            match socket.stage {
                Stage::Opening => {
                    if rules.order == Order::RegisterThenRead || socket.read.is_some() {
                        steps.push(Step::Register(number, epoch));
                    }
                }
                Stage::CatchingUp if socket.read.is_some() => {
                    steps.push(Step::CatchUp(number, epoch));
                }
                Stage::Live if socket.looks => steps.push(Step::Look(number, epoch)),
                Stage::Leaving => steps.push(Step::LeaveRow(number, epoch)),
                Stage::CatchingUp | Stage::Live | Stage::Closed => {}
            }
            if socket.stage == Stage::Closed || is_gone && socket.stage != Stage::Leaving {
                steps.push(Step::Leave(number, epoch));
            }
            if socket.on_its_way && !is_gone {
                steps.push(Step::Receive);
            }
        }
        if world.client.socket.is_none() && !gateway.is_dead {
            steps.push(Step::Resume(number));
        }
    }
    if world.client.has_result && world.mailbox && world.client.socket.is_some() {
        steps.push(Step::Acknowledge);
    }
    steps
}

/// What can go wrong.
pub(crate) fn faults(rules: &Rules, world: &World) -> Vec<Step> {
    let mut faults = Vec::new();
    if world.faults == 0 {
        return faults;
    }
    if world.client.socket.is_some() {
        faults.push(Step::CutClient);
    }
    for (number, worker) in world.workers.iter().enumerate() {
        if worker.commits.is_some() {
            faults.push(Step::AbortFinish(number));
        }
        if *worker != Worker::default() {
            faults.push(Step::KillWorker(number));
        }
    }
    if matches!(world.job, Job::Running(_)) && !world.is_locked() {
        faults.push(Step::Misjudge);
    }
    if rules.polls {
        // These take hints away: only polling finds what they were about.
        for (number, gateway) in world.gateways.iter().enumerate() {
            if !gateway.hints.is_empty() {
                faults.push(Step::LoseHint(number));
            }
            if world.gateways.iter().all(|gateway| !gateway.is_dead) {
                faults.push(Step::KillGateway(number));
            }
        }
        for loses_claim in [false, true] {
            faults.push(Step::CrashDatabase { loses_claim });
        }
    }
    faults
}
