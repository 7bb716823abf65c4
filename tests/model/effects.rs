//! What a step does to the world.

use crate::rules::{Fence, PassingOn, Rules};
use crate::steps::Step;
use crate::world::{Claim, Commit, Hint, Job, Read, Socket, Stage, Worker, World, Wrong};

/// The world after a step.
pub(crate) fn after(rules: &Rules, world: &World, step: Step) -> World {
    let mut next = world.clone();
    next.faults -= u8::from(step.is_fault());
    match step {
        Step::Claim(worker) => claim(&mut next, worker),
        Step::BeginFinish(worker, held) => begin_finish(rules, &mut next, worker, held),
        Step::CommitFinish(worker) => commit_finish(rules, &mut next, worker),
        Step::Recover | Step::Misjudge => put_back(&mut next),
        Step::Hear(gateway) => hear(rules, &mut next, gateway),
        Step::PassOn(gateway) => {
            next.gateways[gateway].passes_on = false;
            if let Some(home) = next.session.gateway.filter(|home| *home != gateway) {
                next.hint(home, Hint::Over { passed_on: true });
            }
        }
        Step::Poll(gateway) => {
            next =
                poll(rules, world, gateway).expect("it is polled where there is something to find");
        }
        Step::Register(gateway, epoch) => register(rules, &mut next, gateway, epoch),
        Step::Read(gateway, epoch) => {
            let read = Read {
                finished: next.mailbox,
                pending: next.job != Job::Over,
            };
            next.socket(gateway, epoch).read = Some(read);
        }
        Step::CatchUp(gateway, epoch) => {
            let socket = next.socket(gateway, epoch);
            let read = socket.read.take().expect("it has read");
            socket.stage = Stage::Live;
            socket.waits = read.finished || read.pending;
            socket.looks = read.finished || socket.heard;
            socket.heard = false;
        }
        Step::Look(gateway, epoch) => {
            let is_unread = next.mailbox;
            let is_over = next.job == Job::Over;
            let socket = next.socket(gateway, epoch);
            socket.looks = false;
            if is_over && socket.wants(is_unread, rules) {
                next.wrong = socket.send().or(next.wrong);
            }
        }
        Step::Leave(gateway, epoch) => {
            let socket = next.socket(gateway, epoch);
            let knew_its_seat = socket.stage != Stage::Opening;
            *socket = Socket {
                stage: Stage::Leaving,
                ..Socket::opening(epoch)
            };
            if !knew_its_seat {
                remove(&mut next, gateway, epoch);
            }
        }
        Step::LeaveRow(gateway, epoch) => {
            remove(&mut next, gateway, epoch);
            if next.session.epoch == epoch || !rules.epochs {
                next.session.gateway = None;
            }
        }
        Step::Resume(gateway) => resume(&mut next, gateway),
        Step::Receive => {
            let (gateway, epoch) = next.client.socket.expect("it has a socket");
            next.socket(gateway, epoch).on_its_way = false;
            next.client.has_result = true;
        }
        Step::Acknowledge => next.mailbox = false,
        Step::CutClient => next.client.socket = None,
        Step::KillWorker(worker) => next.workers[worker] = Worker::default(),
        Step::AbortFinish(worker) => abort(&mut next, worker),
        Step::KillGateway(gateway) => {
            next.gateways[gateway].sockets.clear();
            next.gateways[gateway].hints.clear();
            next.gateways[gateway].passes_on = false;
            next.gateways[gateway].is_dead = true;
            next.client.socket = next.client.socket.filter(|(at, _)| *at != gateway);
        }
        Step::LoseHint(gateway) => {
            next.gateways[gateway].hints.remove(0);
        }
        Step::CrashDatabase { loses_claim } => {
            for worker in 0..next.workers.len() {
                abort(&mut next, worker);
            }
            for gateway in &mut next.gateways {
                gateway.hints.clear();
            }
            if let Job::Running(claim) = next.job
                && loses_claim
            {
                next.job = Job::Ready {
                    attempt: claim.attempt - 1,
                };
            }
        }
    }
    next
}

fn claim(world: &mut World, worker: usize) {
    let Job::Ready { attempt } = world.job else {
        return;
    };
    world.claims += 1;
    let claim = Claim {
        id: world.claims,
        attempt: attempt + 1,
        worker,
    };
    world.job = Job::Running(claim);
    world.workers[worker].holds.push(claim);
}

/// The statement finds the row, or it does not, and reads where the session is.
fn begin_finish(rules: &Rules, world: &mut World, worker: usize, held: usize) {
    let claim = world.workers[worker].holds.remove(held);
    let is_found = match (rules.fence, world.job) {
        (Fence::ClaimId, Job::Running(current)) => current.id == claim.id,
        (Fence::AttemptAndWorker, Job::Running(current)) => {
            (current.attempt, current.worker) == (claim.attempt, claim.worker)
        }
        (Fence::ClaimId | Fence::AttemptAndWorker, Job::Ready { .. }) | (_, Job::Over) => false,
        (Fence::None, Job::Running(_) | Job::Ready { .. }) => true,
    };
    world.workers[worker].commits = is_found.then_some(Commit {
        claim,
        // Where there is no session's, the gateway that the job was submitted at.
        address: world.session.gateway.unwrap_or(0),
    });
}

fn commit_finish(rules: &Rules, world: &mut World, worker: usize) {
    let Some(Commit { claim, address }) = world.workers[worker].commits.take() else {
        return;
    };
    if world.job != Job::Running(claim) {
        world.wrong = Some(Wrong::Misrecorded);
    }
    world.job = Job::Over;
    world.mailbox = rules.mails;
    world.hint(address, Hint::Over { passed_on: false });
}

/// The transaction is undone; the worker keeps the outcome and tries again.
fn abort(world: &mut World, worker: usize) {
    if let Some(Commit { claim, .. }) = world.workers[worker].commits.take() {
        world.workers[worker].holds.push(claim);
    }
}

fn put_back(world: &mut World) {
    if let Job::Running(Claim { attempt, .. }) = world.job {
        world.job = Job::Ready { attempt };
    }
}

fn resume(world: &mut World, gateway: usize) {
    world.session.epoch += 1;
    let epoch = world.session.epoch;
    let before = world.session.gateway.replace(gateway);
    if let Some(before) = before.filter(|before| *before != gateway) {
        world.hint(before, Hint::Taken { epoch });
    }
    let sockets = &mut world.gateways[gateway].sockets;
    sockets.push(Socket::opening(epoch));
    world.client.socket = Some((gateway, epoch));
}

/// The hub hears of the socket; of two of a session here, one goes.
fn register(rules: &Rules, world: &mut World, gateway: usize, epoch: u8) {
    let mut sockets = world.gateways[gateway].sockets.iter();
    let other = sockets
        .find(|other| is_here(other))
        .map(|other| other.epoch);
    world.socket(gateway, epoch).stage = Stage::CatchingUp;
    if let Some(other) = other {
        let is_late = rules.latest_wins && other > epoch;
        world.close(gateway, if is_late { epoch } else { other });
    }
}

fn is_here(socket: &Socket) -> bool {
    matches!(socket.stage, Stage::CatchingUp | Stage::Live)
}

fn hear(rules: &Rules, world: &mut World, gateway: usize) {
    match world.gateways[gateway].hints.remove(0) {
        Hint::Taken { epoch } => {
            let mut sockets = world.gateways[gateway].sockets.iter();
            let earlier = sockets.find(|socket| is_here(socket) && socket.epoch < epoch);
            if let Some(earlier) = earlier.map(|socket| socket.epoch) {
                world.close(gateway, earlier);
            }
        }
        Hint::Over { passed_on } => {
            let somebody = deliver(rules, world, gateway);
            let is_due = match rules.passing_on {
                PassingOn::WhereTheRowSays => {
                    world.session.gateway.is_some_and(|home| home != gateway)
                }
                PassingOn::FromNobody => !somebody,
                PassingOn::Never => false,
            };
            world.gateways[gateway].passes_on |= is_due && !passed_on;
        }
    }
}

/// Gives the outcome to the sockets that are concerned; answers whether there is one.
fn deliver(rules: &Rules, world: &mut World, gateway: usize) -> bool {
    let is_unread = world.mailbox;
    let mut somebody = false;
    let mut wrong = None;
    for socket in &mut world.gateways[gateway].sockets {
        match socket.stage {
            Stage::Opening | Stage::Leaving => {}
            Stage::Closed => somebody |= socket.waits,
            Stage::CatchingUp => {
                socket.heard = true;
                somebody = true;
            }
            Stage::Live => {
                somebody = true;
                if socket.wants(is_unread, rules) {
                    wrong = socket.send();
                }
            }
        }
    }
    world.wrong = wrong.or(world.wrong);
    somebody
}

/// Looks without having heard anything: for what sockets wait for, and for whose the sessions are. Nothing, where
/// there is nothing to find.
pub(crate) fn poll(rules: &Rules, world: &World, gateway: usize) -> Option<World> {
    let mut next = world.clone();
    for socket in &world.gateways[gateway].sockets {
        let epoch = socket.epoch;
        let is_elsewhere = world.session.gateway != Some(gateway);
        if !is_here(socket) {
            continue;
        }
        if socket.epoch < world.session.epoch && is_elsewhere {
            next.close(gateway, epoch);
        } else if socket.epoch == world.session.epoch && is_elsewhere {
            next.session.gateway = Some(gateway);
        } else if socket.stage == Stage::Live
            && world.job == Job::Over
            && socket.wants(world.mailbox, rules)
        {
            next.wrong = next.socket(gateway, epoch).send().or(next.wrong);
        }
    }
    (next != *world).then_some(next)
}

fn remove(world: &mut World, gateway: usize, epoch: u8) {
    let sockets = &mut world.gateways[gateway].sockets;
    sockets.retain(|socket| socket.epoch != epoch);
}
