//! The guardian: a small process beside the worker, which ends the worker's commands when the worker is gone, however
//! that came about.
//!
//! It hears of every process group through a pipe whose other end only the worker has. When that end is closed, it sends
//! SIGTERM to the groups that are left, and SIGKILL after their grace.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use rustix::process::Pid;
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;

const SCRIPT: &str = include_str!("guardian.sh");

/// How soon one that has died is followed by another when that has died as well.
const RESPITE: Duration = Duration::from_secs(1);

/// Of one worker; its process starts with the first command.
#[derive(Debug, Default)]
pub(in crate::task) struct Guardian {
    state: Mutex<State>,
    /// Told when no group is left.
    alone: Notify,
}

#[derive(Debug, Default)]
struct State {
    shell: Option<Shell>,
    /// What it is to know.
    groups: BTreeMap<i32, Group>,
    /// Whether it is watched itself.
    watched: bool,
}

#[derive(Debug)]
struct Shell {
    child: Child,
    /// No other process has it.
    pipe: ChildStdin,
}

#[derive(Clone, Copy, Debug)]
struct Group {
    /// In whole seconds.
    grace: u64,
    told: Told,
}

#[derive(Clone, Copy, Debug)]
enum Told {
    Nothing,
    ToEnd,
}

impl Guardian {
    /// From now on it ends this group when the worker is gone.
    pub(super) fn watch(self: &Arc<Self>, group: Pid, grace: Duration) -> io::Result<()> {
        let group = group.as_raw_nonzero().get();
        let grace = grace.as_secs() + u64::from(grace.subsec_nanos() > 0);
        let told = Told::Nothing;
        let mut state = self.lock();
        state.groups.insert(group, Group { grace, told });
        let said = state.say(&format!("+ {group} {grace}\n"));
        if said.is_err() {
            state.groups.remove(&group);
        }
        if !state.watched
            && let Ok(runtime) = Handle::try_current()
        {
            state.watched = true;
            runtime.spawn(keep(Arc::downgrade(self)));
        }
        said
    }

    /// The group has been told to end, and need not be told again.
    pub(super) fn told_to_end(&self, group: Pid) {
        let group = group.as_raw_nonzero().get();
        let mut state = self.lock();
        if let Some(known) = state.groups.get_mut(&group) {
            known.told = Told::ToEnd;
            let line = format!("~ {group} {}\n", known.grace);
            state.say_if_possible(&line);
        }
    }

    /// The group is over. Said before its number can be that of another.
    pub(super) fn forget(&self, group: Pid) {
        let group = group.as_raw_nonzero().get();
        let mut state = self.lock();
        if let Some(known) = state.groups.remove(&group) {
            state.say_if_possible(&format!("- {group} {}\n", known.grace));
        }
        if state.groups.is_empty() {
            self.alone.notify_waiters();
        }
    }

    /// Waits until no group is left.
    pub(super) async fn alone(&self) {
        loop {
            let alone = self.alone.notified();
            if self.lock().groups.is_empty() {
                return;
            }
            alone.await;
        }
    }

    /// Starts another one where this one has died.
    fn replace_dead(&self) {
        let mut state = self.lock();
        let shell = state.shell.as_mut();
        if shell.is_none_or(|shell| matches!(shell.child.try_wait(), Ok(None))) {
            return;
        }
        tracing::warn!("the guardian of the commands has died; another one is started");
        state.shell = None;
        // Without a group, the next one starts it.
        if !state.groups.is_empty()
            && let Err(error) = state.start()
        {
            tracing::warn!(%error, "the guardian of the commands could not be started");
        }
    }

    /// The process, where it runs.
    fn pid(&self) -> Option<u32> {
        self.lock().shell.as_ref().map(|shell| shell.child.id())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        let lock = self.state.lock();
        lock.expect("nobody panics while holding the guardian")
    }
}

impl State {
    /// Says a line of what has just changed; to another one, which is told everything, where this one is not there.
    fn say(&mut self, line: &str) -> io::Result<()> {
        if let Some(shell) = &mut self.shell {
            // A line is written whole or not at all.
            match shell.pipe.write_all(line.as_bytes()) {
                Ok(()) => return Ok(()),
                Err(error) => {
                    tracing::warn!(%error, "the guardian of the commands has died, or does not read; another one is started");
                }
            }
        }
        self.start()
    }

    /// Starts one that is told everything, in the place of the one that is there.
    fn start(&mut self) -> io::Result<()> {
        if let Some(mut dead) = self.shell.take() {
            // Before its pipe is closed: it must not take that for our end.
            let _ = dead.child.kill();
            let _ = dead.child.wait();
        }
        let mut all = String::new();
        for (group, Group { grace, told }) in &self.groups {
            let what = match told {
                Told::Nothing => '+',
                Told::ToEnd => '~',
            };
            let _ = writeln!(all, "{what} {group} {grace}");
        }
        let mut shell = start()?;
        shell.pipe.write_all(all.as_bytes())?;
        // From now on nobody waits for it: it may be stopped.
        rustix::io::ioctl_fionbio(&shell.pipe, true)?;
        self.shell = Some(shell);
        Ok(())
    }

    fn say_if_possible(&mut self, line: &str) {
        if let Err(error) = self.say(line) {
            tracing::warn!(%error, "the guardian of the commands could not be told");
        }
    }
}

/// Sees to it that there is one while there are groups, however the one that is there ends.
async fn keep(guardian: Weak<Guardian>) {
    let Ok(mut children) = signal(SignalKind::child()) else {
        return;
    };
    while let Some(guardian) = guardian.upgrade() {
        let before = guardian.pid();
        guardian.replace_dead();
        let is_another = guardian.pid() != before;
        drop(guardian);
        if is_another {
            tokio::time::sleep(RESPITE).await;
        }
        children.recv().await;
    }
}

fn start() -> io::Result<Shell> {
    let mut child = Command::new("/bin/sh")
        .args(["-c", SCRIPT, "ringback-guardian"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .env_clear()
        .env("PATH", super::process::USUAL_PATH)
        .current_dir("/")
        // Ctrl+C in a terminal goes to the worker's group, and a command is not ended before the worker says so.
        .process_group(0)
        .spawn()?;
    let pipe = child.stdin.take().expect("it has just been piped");
    Ok(Shell { child, pipe })
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use rustix::process::{Signal, kill_process};

    use super::*;

    fn sleeper(script: &str) -> (Child, Pid) {
        let child = Command::new("/bin/sh")
            .args(["-c", script])
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let group = Pid::from_child(&child);
        (child, group)
    }

    fn ends(child: &mut Child) -> std::process::ExitStatus {
        let give_up = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < give_up, "it should end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    #[test]
    fn what_is_left_when_the_worker_goes_is_told_to_end_and_then_killed() {
        use std::io::Read;
        use std::os::unix::process::ExitStatusExt;

        let guardian = Arc::new(Guardian::default());
        let second = Duration::from_millis(900);
        let (mut kind, kind_group) = sleeper("exec sleep 60");
        let (mut stubborn, stubborn_group) = sleeper("trap '' TERM; echo; sleep 60");
        stubborn
            .stdout
            .as_mut()
            .unwrap()
            .read_exact(&mut [0])
            .unwrap();
        let (mut told, told_group) = sleeper("exec sleep 60");
        let (mut over, over_group) = sleeper("exec sleep 60");
        for group in [kind_group, stubborn_group, told_group, over_group] {
            guardian.watch(group, second).unwrap();
        }
        guardian.told_to_end(told_group);
        guardian.forget(over_group);
        let mut shell = guardian.lock().shell.take().unwrap();
        drop(shell.pipe);
        assert!(shell.child.wait().unwrap().success());
        assert_eq!(ends(&mut kind).signal(), Some(15));
        assert_eq!(ends(&mut stubborn).signal(), Some(9));
        assert_eq!(ends(&mut told).signal(), Some(9), "it is not told again");
        assert!(over.try_wait().unwrap().is_none(), "it is not its own");
        over.kill().unwrap();
        over.wait().unwrap();
    }

    #[test]
    fn another_guardian_takes_the_place_of_a_dead_one_and_knows_everything() {
        let guardian = Arc::new(Guardian::default());
        let (mut first, first_group) = sleeper("exec sleep 60");
        guardian.watch(first_group, Duration::ZERO).unwrap();
        let dead = guardian.pid().unwrap();
        let pid = Pid::from_raw(i32::try_from(dead).unwrap()).unwrap();
        kill_process(pid, Signal::KILL).unwrap();
        guardian
            .lock()
            .shell
            .as_mut()
            .unwrap()
            .child
            .wait()
            .unwrap();
        let (mut second, second_group) = sleeper("exec sleep 60");
        guardian.watch(second_group, Duration::ZERO).unwrap();
        assert_ne!(guardian.pid(), Some(dead));
        assert!(first.try_wait().unwrap().is_none());
        let mut shell = guardian.lock().shell.take().unwrap();
        drop(shell.pipe);
        assert!(shell.child.wait().unwrap().success());
        ends(&mut first);
        ends(&mut second);
    }

    #[test]
    fn a_guardian_that_does_not_read_is_not_waited_for() {
        let guardian = Arc::new(Guardian::default());
        let (mut sleeper, group) = sleeper("exec sleep 60");
        guardian.watch(group, Duration::ZERO).unwrap();
        let stopped = guardian.pid().unwrap();
        let pid = Pid::from_raw(i32::try_from(stopped).unwrap()).unwrap();
        kill_process(pid, Signal::STOP).unwrap();
        // More than any pipe holds.
        for _ in 0..20_000 {
            guardian.told_to_end(group);
            if guardian.pid() != Some(stopped) {
                break;
            }
        }
        assert_ne!(guardian.pid(), Some(stopped));
        let mut shell = guardian.lock().shell.take().unwrap();
        drop(shell.pipe);
        assert!(shell.child.wait().unwrap().success());
        assert_eq!(
            std::os::unix::process::ExitStatusExt::signal(&ends(&mut sleeper)),
            Some(9),
            "the other one knows that it was told"
        );
    }

    #[tokio::test]
    async fn a_guardian_that_dies_is_followed_by_another_at_once() {
        let guardian = Arc::new(Guardian::default());
        let (mut sleeper, group) = sleeper("exec sleep 60");
        guardian.watch(group, Duration::ZERO).unwrap();
        let dead = guardian.pid().unwrap();
        let pid = Pid::from_raw(i32::try_from(dead).unwrap()).unwrap();
        kill_process(pid, Signal::KILL).unwrap();
        let give_up = Instant::now() + Duration::from_secs(20);
        while guardian.pid().is_none_or(|pid| pid == dead) {
            assert!(Instant::now() < give_up, "there should be another");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let mut shell = guardian.lock().shell.take().unwrap();
        drop(shell.pipe);
        assert!(shell.child.wait().unwrap().success());
        ends(&mut sleeper);
    }
}
