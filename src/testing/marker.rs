//! Moments from which on the ends of jobs are waited for.

use std::collections::HashSet;

use super::eventually;
use crate::ids::JobId;
use crate::postgres::Database;
use crate::queue::jobs::{self, Filter};
use crate::wire::{Job, JobState};

/// A moment, and a task whose jobs are waited for from then on.
#[derive(Debug)]
pub struct Marker {
    database: Database,
    filter: Filter,
    seen: HashSet<JobId>,
}

impl Marker {
    pub(super) async fn new(database: Database, task: &str) -> anyhow::Result<Self> {
        let filter = Filter {
            states: vec![JobState::Succeeded, JobState::Failed, JobState::Cancelled],
            task: Some(task.to_owned()),
            ..Filter::default()
        };
        let mut marker = Self {
            database,
            filter,
            seen: HashSet::new(),
        };
        marker.seen = marker.over().await?.into_iter().collect();
        Ok(marker)
    }

    /// Waits for the next job of the task that is over, however it ended; each is answered once.
    ///
    /// # Errors
    /// When none comes within 30 seconds.
    pub async fn next(&mut self) -> anyhow::Result<Job> {
        let what = format!(
            "the end of a job of {}",
            self.filter.task.as_deref().unwrap_or_default()
        );
        let (database, this) = (self.database.clone(), &*self);
        let id = eventually(&what, async || {
            // The newest are first.
            let mut over = this.over().await?.into_iter().rev();
            Ok(over.find(|job| !this.seen.contains(job)))
        })
        .await?;
        self.seen.insert(id);
        eventually(&what, async || {
            Ok(database
                .run(async |connection| jobs::find(connection, id).await)
                .await?)
        })
        .await
    }

    async fn over(&self) -> anyhow::Result<Vec<JobId>> {
        Ok(self
            .database
            .run(async |connection| jobs::ids(connection, &self.filter).await)
            .await?)
    }
}
