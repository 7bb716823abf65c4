//! One stop signal, and the set of tasks that it joins.
//!
//! Whoever starts something long-lived spawns it onto a [`Parts`], so that stopping means: say so once, wait for all.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::{AbortHandle, JoinSet};
use tokio_util::sync::CancellationToken;

/// The signal to stop; clones share it, and a child stops with its parent.
pub type Stop = CancellationToken;

/// The named parts of a running program. When one ends before it was asked to, the program has failed.
#[derive(Default)]
pub struct Parts {
    set: JoinSet<(&'static str, anyhow::Result<()>)>,
    names: Vec<(tokio::task::Id, &'static str)>,
}

impl Parts {
    /// Starts `part`, which runs until its own stop signal.
    pub fn spawn(
        &mut self,
        name: &'static str,
        part: impl Future<Output = anyhow::Result<()>> + Send + 'static,
    ) -> AbortHandle {
        let handle = self.set.spawn(async move { (name, part.await) });
        self.names.push((handle.id(), name));
        handle
    }

    /// Waits until `stop` is given or a part ends by itself, then stops the others and waits for them.
    ///
    /// # Errors
    /// The first part that failed, panicked, or ended without being asked to.
    pub async fn join(mut self, stop: &Stop) -> anyhow::Result<()> {
        let mut outcome = Ok(());
        while let Some(ended) = self.set.join_next().await {
            let failure = match ended {
                Ok((name, Err(error))) => Some(error.context(format!("the {name} failed"))),
                Ok((name, Ok(()))) if !stop.is_cancelled() => {
                    Some(anyhow::anyhow!("the {name} ended by itself"))
                }
                Ok((_, Ok(()))) => None,
                Err(error) => {
                    let known = self.names.iter().find(|(id, _)| *id == error.id());
                    let name = known.map_or("program", |(_, name)| *name);
                    Some(anyhow::Error::new(error).context(format!("the {name} died")))
                }
            };
            if let Some(failure) = failure {
                stop.cancel();
                outcome = outcome.and(Err(failure));
            }
        }
        outcome
    }
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts")
            .field("running", &self.set.len())
            .finish()
    }
}

/// A stop that Ctrl+C, SIGTERM or the end of the terminal gives, from this moment on. A second one ends the process at
/// once.
///
/// # Errors
/// When the process cannot watch its signals.
#[expect(
    clippy::disallowed_methods,
    clippy::exit,
    reason = "it waits for as long as the process lives, to end it"
)]
pub fn on_signal() -> anyhow::Result<Stop> {
    let mut interrupt = signal(SignalKind::interrupt()).context("could not watch for Ctrl+C")?;
    let mut terminate = signal(SignalKind::terminate()).context("could not watch for SIGTERM")?;
    let mut hangup = match hangups_are_ignored() {
        true => None,
        false => Some(signal(SignalKind::hangup()).context("could not watch the terminal")?),
    };
    let mut signalled = async move || {
        let hung_up = async {
            match &mut hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = interrupt.recv() => "Ctrl+C",
            _ = terminate.recv() => "SIGTERM",
            _ = hung_up => "the terminal was closed",
        }
    };
    let stop = Stop::new();
    let given = stop.clone();
    tokio::spawn(async move {
        let name = signalled().await;
        tracing::info!("stopping: {name}");
        given.cancel();
        let name = signalled().await;
        tracing::warn!("stopping at once: {name} for a second time");
        std::process::exit(130)
    });
    Ok(stop)
}

/// Whether we were started to outlive the terminal, as `nohup` does it.
fn hangups_are_ignored() -> bool {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else {
        // Where this cannot be known, nothing is changed.
        return true;
    };
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    // SIGHUP is the first.
    ignored.is_some_and(|mask| mask & 1 == 1)
}

/// Sleeps for `time`, or less if it is time to stop: then it answers `false`.
pub async fn sleep(time: Duration, stop: &Stop) -> bool {
    tokio::select! {
        () = tokio::time::sleep(time) => true,
        () = stop.cancelled() => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn until(stop: Stop) -> anyhow::Result<()> {
        stop.cancelled().await;
        Ok(())
    }

    #[tokio::test]
    async fn parts_that_were_asked_to_stop_end_well() {
        let stop = Stop::new();
        let mut parts = Parts::default();
        parts.spawn("one", until(stop.clone()));
        parts.spawn("other", until(stop.clone()));
        stop.cancel();
        assert!(parts.join(&stop).await.is_ok());
    }

    #[tokio::test]
    async fn a_part_that_fails_dies_or_ends_by_itself_is_named_and_stops_the_others() {
        type Ending = fn() -> anyhow::Result<()>;
        let endings: [(&str, Ending); 3] = [
            ("the clock failed", || anyhow::bail!("no time")),
            ("the clock died", || panic!("as it was asked to")),
            ("the clock ended by itself", || Ok(())),
        ];
        for (words, ending) in endings {
            let stop = Stop::new();
            let mut parts = Parts::default();
            parts.spawn("other", until(stop.clone()));
            parts.spawn("clock", async move { ending() });
            let error = parts.join(&stop).await.unwrap_err();
            assert!(error.to_string().contains(words), "{error:#}");
        }
    }
}
