//! A database of a process, which may be away when that begins.

use super::Database;
use crate::shards::Shards;
use crate::shutdown::Stop;

/// One of the databases of a process; clones share whether it has come.
#[derive(Clone, Debug)]
pub struct Shard {
    /// It.
    pub database: Database,
    there: Stop,
}

impl Shard {
    /// One that is yet to come.
    #[must_use]
    pub fn awaited(database: Database) -> Self {
        Self {
            database,
            there: Stop::new(),
        }
    }

    /// One that is there.
    #[must_use]
    pub fn there(database: Database) -> Self {
        let shard = Self::awaited(database);
        shard.came();
        shard
    }

    /// From now on it is there, with the schema that it is to have.
    pub fn came(&self) {
        self.there.cancel();
    }

    /// Waits until it is there.
    pub async fn comes(&self) {
        self.there.cancelled().await;
    }
}

/// The only one, which is there.
impl From<Database> for Shards<Shard> {
    fn from(database: Database) -> Self {
        Self::one(Shard::there(database))
    }
}
