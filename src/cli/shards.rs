//! On which of several databases a verb works that comes to an end.

use anyhow::Context;
use futures_util::future::join_all;

use super::database::{self, Open, Private};
use super::exit::Exit;
use super::output::note;
use crate::config::DatabaseConfig;
use crate::ids::JobId;
use crate::queue::jobs::{self, Filter};
use crate::shards::{Shards, place_of};

/// Runs a verb on every shard, one after the other. What goes wrong on one keeps it from no other.
pub(super) async fn each(
    config: &DatabaseConfig,
    private: Private,
    verb: impl AsyncFn(&Open) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    database::once(config, private, async |shards| {
        let named = async |open: &Open| {
            name(open);
            verb(open).await
        };
        in_turn(shards, named).await
    })
    .await
}

/// Does something on every shard, one after the other. What goes wrong on one keeps it from no other.
pub(super) async fn in_turn(
    shards: &Shards<Open>,
    work: impl AsyncFn(&Open) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut done = Ok(());
    for open in shards.iter() {
        done = and(done, work(open).await);
    }
    done
}

/// Runs a verb on one shard: the one that `--shard` says, where there are several.
pub(super) async fn one(
    config: &DatabaseConfig,
    verb: impl AsyncFnOnce(&Open) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    database::once(config, Private::MustBeThere, async |shards| {
        match shards.only() {
            Some(open) => verb(open).await,
            None => {
                let text = format!(
                    "there are {} shards, and this works on one of them: say which by --shard",
                    shards.count()
                );
                Err(Exit::Usage(text).into())
            }
        }
    })
    .await
}

/// Runs a verb on the shard of an owner.
pub(super) async fn of(
    config: &DatabaseConfig,
    private: Private,
    owner: &str,
    verb: impl AsyncFnOnce(&Open) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    database::once(config, private, async |shards| {
        verb(owned(shards, owner)?).await
    })
    .await
}

/// The shard of an owner; an error, where another was asked for.
pub(super) fn owned<'a>(shards: &'a Shards<Open>, owner: &str) -> Result<&'a Open, Exit> {
    let open = shards.of(owner);
    let place = place_of(owner, open.place.of);
    if place == open.place {
        return Ok(open);
    }
    let text = format!(
        "what is of {owner} is in shard {} of {}: say that, or leave --shard out",
        place.number, place.of
    );
    Err(Exit::Usage(text))
}

/// Runs a verb on the shard that has a job, and that has been checked.
pub(super) async fn of_job(
    config: &DatabaseConfig,
    job: JobId,
    verb: impl AsyncFnOnce(&Open) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    database::once(config, Private::MustBeThere, async |shards| {
        verb(having(shards, job).await?).await
    })
    .await
}

/// Runs a verb on those shards that have these jobs, which have been checked, one after the other, with those that each
/// has. What goes wrong on one keeps it from no other.
pub(super) async fn with_jobs(
    config: &DatabaseConfig,
    jobs: &[JobId],
    verb: impl AsyncFn(&Open, &[JobId]) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    database::once(config, Private::MustBeThere, async |shards| {
        let (all, mut done) = by_shard(shards, jobs).await;
        for (open, jobs) in all {
            done = and(done, verb(open, &jobs).await);
        }
        done
    })
    .await
}

/// A verb ends with what went wrong last; what went wrong before is said to whoever sits there.
fn and(before: anyhow::Result<()>, now: anyhow::Result<()>) -> anyhow::Result<()> {
    match (before, now) {
        (Err(before), Err(now)) => {
            note(format!("{before:#}"));
            Err(now)
        }
        (before, now) => before.and(now),
    }
}

/// The shards with those of the jobs that each has, all of them checked and asked at once; and what went wrong. What none
/// has is left to the first, unless it may be in one that could not say.
async fn by_shard<'a>(
    shards: &'a Shards<Open>,
    jobs: &[JobId],
) -> (Vec<(&'a Open, Vec<JobId>)>, anyhow::Result<()>) {
    if let Some(only) = shards.only() {
        return match only.check().await {
            Ok(()) => (vec![(only, jobs.to_vec())], Ok(())),
            Err(error) => (Vec::new(), Err(error)),
        };
    }
    let which = Filter {
        ids: Some(jobs.to_vec()),
        ..Filter::default()
    };
    let asked = shards.iter().map(async |open| {
        open.check().await?;
        let found = open
            .database
            .run(async |connection| jobs::ids(connection, &which).await);
        let found = found.await;
        found.with_context(|| format!("could not ask {} for the jobs", open.database.name()))
    });
    let mut all: Vec<(&Open, Vec<JobId>)> = Vec::new();
    let mut done = Ok(());
    for (open, found) in shards.iter().zip(join_all(asked).await) {
        match found {
            Ok(found) => all.push((open, found)),
            Err(error) => done = and(done, Err(error)),
        }
    }
    let is_found = |job: &&JobId| all.iter().any(|(_, found)| found.contains(job));
    let (found, lost): (Vec<JobId>, Vec<JobId>) = jobs.iter().partition(|job| is_found(job));
    if lost.is_empty() {
        done = Ok(());
    } else if done.is_ok() {
        all[0].1.extend(lost);
    }
    // In the order in which they were named.
    let order = |job: &JobId| found.iter().position(|found| found == job);
    for (_, of_one) in &mut all {
        of_one.sort_by_key(order);
    }
    all.retain(|(_, jobs)| !jobs.is_empty());
    (all, done)
}

/// The shard that has this job; the first, where none has it.
async fn having(shards: &Shards<Open>, job: JobId) -> anyhow::Result<&Open> {
    let (all, done) = by_shard(shards, &[job]).await;
    done?;
    Ok(all.first().expect("it is left to one").0)
}

/// Says on which of several shards it works, to whoever sits there.
fn name(open: &Open) {
    if open.place.of > 1 {
        let (place, name) = (open.place, open.database.name());
        note(format!("shard {} of {}: {name}", place.number, place.of));
    }
}
