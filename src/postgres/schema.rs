//! The schema: brought up to date, and compared with what this program was built for.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{Executor, PgConnection};

use super::{Database, Fault, Way};
use crate::config::Pooler;

/// The oldest server that Ringback works with, in the server's own way of counting.
pub const OLDEST_SERVER: i32 = 150_000;

/// What a database has of the migrations that this program knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schema {
    /// Those that it lacks, by number and name, in their order.
    pub missing: Vec<String>,
    /// Those that it has in other words than this program.
    pub changed: Vec<String>,
    /// One that was begun and has not succeeded.
    pub unfinished: Vec<i64>,
    /// How many it has that this program does not know: a newer one was here.
    pub newer: usize,
    /// How many it has of this program's.
    pub applied: usize,
}

impl Schema {
    /// Reads what a database has.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn read(connection: &mut PgConnection) -> Result<Self, sqlx::Error> {
        let there = sqlx::query_scalar!(
            r#"select to_regclass('ringback.migration') is not null as "there!""#
        )
        .fetch_one(&mut *connection)
        .await?;
        let mut has = Vec::new();
        if there {
            // Not checked when it is compiled: the table is the library's, made when the migrations run.
            has = sqlx::query_as(
                "select version, checksum, success from ringback.migration order by version",
            )
            .fetch_all(connection)
            .await?;
        }
        Ok(Self::compare(&migrations(), &has))
    }

    fn compare(migrations: &Migrator, has: &[(i64, Vec<u8>, bool)]) -> Self {
        let mut schema = Self::default();
        for migration in migrations.iter() {
            let name = format!("{} ({})", migration.version, migration.description);
            match has
                .iter()
                .find(|(version, ..)| *version == migration.version)
            {
                None => schema.missing.push(name),
                Some((version, _, false)) => schema.unfinished.push(*version),
                Some((_, checksum, true)) => {
                    schema.applied += 1;
                    if *checksum != *migration.checksum {
                        schema.changed.push(name);
                    }
                }
            }
        }
        let knows = |version: i64| migrations.iter().any(|known| known.version == version);
        schema.newer = has.iter().filter(|(version, ..)| !knows(*version)).count();
        schema
    }

    /// Whether the database lacks something that this program needs. A newer schema suits an older program: migrations
    /// add first, and take away in a later release.
    #[must_use]
    pub fn is_older(&self) -> bool {
        !self.missing.is_empty() || !self.unfinished.is_empty()
    }
}

/// Whether the server takes nothing: a standby, or one that was told to only read.
///
/// # Errors
/// Those of the database.
pub async fn is_read_only(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select current_setting('transaction_read_only')::boolean as "is_read_only!""#
    )
    .fetch_one(connection)
    .await
}

/// How long a migration waits for a lock: everybody else who wants the table waits behind it.
const LOCK_LIMIT: &str = "set lock_timeout = '1s'";

/// How long it lets others go first,
const PAUSE: Duration = Duration::from_secs(2);

/// and for how long it tries.
const PATIENCE: Duration = Duration::from_secs(600);

/// Whether a migration has met a lock that was not given up in time; it has changed nothing then.
fn is_locked(error: &MigrateError) -> bool {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
            Fault::of(error) == Fault::Locked
        }
        _ => false,
    }
}

impl Database {
    /// Brings the schema up to date.
    ///
    /// # Errors
    /// When the database cannot be reached, is older than PostgreSQL 15, or a migration fails.
    pub async fn migrate(&self) -> anyhow::Result<()> {
        // A connection of its own, since a migration may take its time, and past a pooler.
        if self.direct.is_none() {
            if self.pooler != Pooler::None {
                bail!(
                    "a migration does not get through a pooler that gives a server process for each transaction; name \
                     the server itself in DIRECT_DATABASE_URL"
                );
            }
            drop(self.acquire().await?);
        }
        let mut connection = self.connect_to("migrate", Way::Direct).await?;
        let version: String =
            sqlx::query_scalar!(r#"select current_setting('server_version_num') as "version!""#)
                .fetch_one(&mut connection)
                .await
                .map_err(|error| self.unreachable(error))?;
        if version.parse::<i32>().unwrap_or(0) < OLDEST_SERVER {
            bail!(
                "{} is older than PostgreSQL 15, the oldest that Ringback works with",
                self.name()
            );
        }
        connection
            .execute(LOCK_LIMIT)
            .await
            .map_err(|error| self.unreachable(error))?;
        let give_up = Instant::now() + PATIENCE;
        loop {
            match migrations().run(&mut connection).await {
                Err(error) if is_locked(&error) && Instant::now() < give_up => {
                    tracing::warn!(
                        "somebody's transaction holds a table that is to be changed; waiting for its end, a moment at \
                         a time, so that nobody waits behind us"
                    );
                    tokio::time::sleep(PAUSE).await;
                }
                migrated => {
                    return migrated.with_context(|| format!("could not migrate {}", self.name()));
                }
            }
        }
    }

    /// Makes sure that the schema is the one this program was built for.
    ///
    /// # Errors
    /// When it is not, with what to do; or when the database cannot be reached.
    pub async fn check_schema(&self) -> anyhow::Result<()> {
        drop(self.acquire().await?);
        let schema = self.run(async |connection| Schema::read(connection).await);
        let schema = schema.await;
        let schema =
            schema.with_context(|| format!("could not read the schema of {}", self.name()))?;
        if schema.is_older() {
            bail!(
                "the schema of {} is older than this program; run `ringback migrate`, or start with --migrate",
                self.name()
            );
        }
        Ok(())
    }
}

/// The migrations, with their own table in our schema: a database is often shared with others.
pub(super) fn migrations() -> Migrator {
    let mut migrations = sqlx::migrate!();
    migrations.create_schema("ringback");
    migrations.dangerous_set_table_name("ringback.migration");
    // A newer program may have migrated further; migrations suit the version that is still running.
    migrations.set_ignore_missing(true);
    migrations
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A database with all of this program's migrations.
    fn whole() -> Vec<(i64, Vec<u8>, bool)> {
        let all = migrations();
        let rows = all
            .iter()
            .map(|it| (it.version, it.checksum.to_vec(), true));
        rows.collect()
    }

    #[test]
    fn a_schema_is_older_when_a_migration_is_missing_or_has_not_succeeded() {
        let has = whole();
        let same = Schema::compare(&migrations(), &has);
        assert_eq!(
            (same.is_older(), same.newer, same.applied),
            (false, 0, has.len())
        );
        let older = Schema::compare(&migrations(), &has[..has.len() - 1]);
        assert!(older.is_older());
        assert_eq!(older.missing.len(), 1);
        let mut failed = has.clone();
        failed.last_mut().unwrap().2 = false;
        assert!(Schema::compare(&migrations(), &failed).is_older());
        // One in the middle that is missing is as bad as the last.
        let gap = [&has[..3], &has[4..]].concat();
        assert_eq!(Schema::compare(&migrations(), &gap).missing.len(), 1);
    }

    #[test]
    fn a_schema_that_is_newer_or_in_other_words_is_not_older() {
        let mut has = whole();
        has.push((9_999, vec![1], true));
        has[0].1 = vec![0];
        let schema = Schema::compare(&migrations(), &has);
        assert!(!schema.is_older());
        assert_eq!((schema.newer, schema.changed.len()), (1, 1));
    }
}
