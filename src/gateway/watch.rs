//! Requests that wait for something to happen to a job: who watches which, and what wakes them.
//!
//! A hint wakes them where the job is this gateway's. The others are found by looking at all that are watched, together,
//! a few times a second and only while there are any: a request must not turn a job away from whoever asked for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::{Notify, watch};

use crate::ids::JobId;
use crate::postgres::{Backoff, Link};
use crate::queue::follow::looks;
use crate::shutdown::{self, Stop};

/// How many requests may wait at once.
const LIMIT: usize = 10_000;

/// How often the jobs are looked at.
const EVERY: Duration = Duration::from_millis(250);

/// How many are looked at in one statement.
const PAGE: usize = 500;

/// The jobs that requests wait for.
#[derive(Debug, Default)]
pub(super) struct Watched {
    now: Mutex<Now>,
    /// Woken when there is something to watch.
    some: Notify,
}

#[derive(Debug, Default)]
struct Now {
    by_job: HashMap<JobId, Watching>,
    /// All together.
    watchers: usize,
}

#[derive(Debug)]
struct Watching {
    news: watch::Sender<()>,
    watchers: usize,
    /// How the job looked when it was last looked at.
    look: Option<String>,
}

/// One request that waits for news of a job.
#[derive(Debug)]
pub(super) struct Watch {
    watched: Arc<Watched>,
    job: JobId,
    news: watch::Receiver<()>,
}

impl Watched {
    /// Waits for news of a job from now on; nothing, where too many wait already.
    pub(super) fn watch(self: &Arc<Self>, job: JobId) -> Option<Watch> {
        let mut now = self.lock();
        if now.watchers >= LIMIT {
            return None;
        }
        now.watchers += 1;
        let watching = now.by_job.entry(job).or_insert_with(|| Watching {
            news: watch::Sender::new(()),
            watchers: 0,
            look: None,
        });
        watching.watchers += 1;
        let news = watching.news.subscribe();
        drop(now);
        self.some.notify_one();
        Some(Watch {
            watched: Arc::clone(self),
            job,
            news,
        })
    }

    /// Something has happened to these jobs.
    pub(super) fn wake<'a>(&self, jobs: impl IntoIterator<Item = &'a JobId>) {
        let now = self.lock();
        if now.by_job.is_empty() {
            return;
        }
        for job in jobs {
            if let Some(watching) = now.by_job.get(job) {
                watching.news.send_replace(());
            }
        }
    }

    /// Looks at everything that is watched, again and again, until it is told to stop.
    pub(super) async fn run(self: Arc<Self>, mut link: Link, stop: Stop) -> anyhow::Result<()> {
        let mut backoff = Backoff::new();
        loop {
            let jobs = self.jobs();
            if jobs.is_empty() {
                tokio::select! {
                    () = self.some.notified() => {}
                    () = stop.cancelled() => break,
                }
                continue;
            }
            let mut pause = EVERY;
            for page in jobs.chunks(PAGE) {
                let looked = link.run(async |connection| looks(connection, page).await);
                match looked.await {
                    Ok(looks) => {
                        backoff.reset();
                        self.compare(looks);
                    }
                    Err(error) => {
                        let what = "could not look at the jobs that requests wait for";
                        pause += backoff.failed(&error, what);
                        break;
                    }
                }
            }
            if !shutdown::sleep(pause, &stop).await {
                break;
            }
        }
        link.close().await;
        Ok(())
    }

    /// Wakes those whose job looks otherwise than before.
    fn compare(&self, looks: Vec<(JobId, String)>) {
        let mut now = self.lock();
        for (job, look) in looks {
            let watching = now.by_job.get_mut(&job);
            if let Some(watching) = watching.filter(|it| it.look.as_ref() != Some(&look)) {
                watching.look = Some(look);
                watching.news.send_replace(());
            }
        }
    }

    fn jobs(&self) -> Vec<JobId> {
        self.lock().by_job.keys().copied().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Now> {
        self.now
            .lock()
            .expect("nobody panics while holding what is watched")
    }
}

impl Watch {
    /// Waits until something has happened since this was last waited for.
    pub(super) async fn news(&mut self) {
        // The sender lives as long as somebody watches.
        let _ = self.news.changed().await;
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut now = self.watched.lock();
        now.watchers -= 1;
        if let Some(watching) = now.by_job.get_mut(&self.job) {
            watching.watchers -= 1;
            if watching.watchers == 0 {
                now.by_job.remove(&self.job);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use uuid::Uuid;

    use super::*;

    const JOB: JobId = JobId(Uuid::nil());

    #[test]
    fn whoever_watches_is_woken_once_for_each_change_and_leaves_nothing() {
        let watched = Arc::new(Watched::default());
        let mut watches = [(); 2].map(|()| watched.watch(JOB).unwrap());
        for watch in &mut watches {
            assert!(watch.news().now_or_never().is_none());
        }
        watched.compare(vec![(JOB, "ready".to_owned())]);
        watched.compare(vec![(JOB, "ready".to_owned())]);
        for watch in &mut watches {
            assert!(watch.news().now_or_never().is_some());
            assert!(watch.news().now_or_never().is_none());
        }
        watched.wake(&[JOB]);
        assert!(watches[0].news().now_or_never().is_some());
        drop(watches);
        assert!(watched.lock().by_job.is_empty());
    }

    #[test]
    fn there_is_a_limit_to_who_may_wait() {
        let watched = Arc::new(Watched::default());
        let watches: Vec<Watch> = (0..LIMIT).map_while(|_| watched.watch(JOB)).collect();
        assert_eq!(watches.len(), LIMIT);
        assert!(watched.watch(JOB).is_none());
        drop(watches);
        assert!(watched.watch(JOB).is_some());
    }
}
