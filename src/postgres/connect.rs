//! Connecting: which way, to which of several servers, and what to say where there is none.

use sqlx::pool::PoolConnection;
use sqlx::{ConnectOptions, PgConnection, Postgres};

use super::hosts::Hosts;
use super::link::limited_to;
use super::{CONNECT_LIMIT, Database, turns_away};
use crate::config::Pooler;

/// Which way a connection goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// As everything that need not go elsewhere.
    Main,
    /// Past the pooler, where there is a way.
    Direct,
    /// To the replica, where there is one.
    Replica,
}

impl Database {
    /// A connection of one's own, and the pooler that it leads through.
    pub(super) async fn connect(
        &self,
        name: &str,
        way: Way,
    ) -> Result<(PgConnection, Pooler), sqlx::Error> {
        if let Some(replica) = self.replica.as_ref().filter(|_| way == Way::Replica)
            && let Some(connection) = replica.connect(&format!("ringback {name}")).await
        {
            return Ok((connection, Pooler::None));
        }
        let (hosts, pooler) = self.hosts(way);
        let connection = if hosts.are_several() {
            self.find(hosts, name).await?
        } else {
            let options = match way {
                Way::Direct => self.direct_options(name),
                Way::Main | Way::Replica => self.options(name),
            };
            options.connect().await?
        };
        Ok((connection, pooler))
    }

    /// Makes sure that what is connected to from now on takes what is written, where there are several servers.
    pub(super) async fn settle_on(&self, way: Way) -> Result<(), sqlx::Error> {
        let (hosts, _) = self.hosts(way);
        if hosts.are_several() {
            // Boxed, since it is large and rare.
            let found = Box::pin(limited_to(CONNECT_LIMIT, self.find(hosts, "pool")));
            drop(found.await?);
        }
        Ok(())
    }

    /// The servers at the end of a way, and the pooler before them.
    fn hosts(&self, way: Way) -> (&Hosts, Pooler) {
        match &self.direct {
            Some(direct) if way == Way::Direct => (direct, Pooler::None),
            _ => (&self.hosts, self.pooler),
        }
    }

    /// A connection to the one of several servers that takes what is written.
    async fn find(&self, hosts: &Hosts, name: &str) -> Result<PgConnection, sqlx::Error> {
        let (connection, has_moved) = hosts.connect(&format!("ringback {name}")).await?;
        if has_moved {
            tracing::info!(
                host = hosts.now().get_host(),
                port = hosts.now().get_port(),
                "another server takes what is written"
            );
        }
        // Whoever was first to find it shows it to the pools.
        let options = self.hosts.now();
        let known = self.pool.connect_options();
        if (known.get_host(), known.get_port()) != (options.get_host(), options.get_port()) {
            self.point_pools_to(options.clone());
        }
        Ok(connection)
    }

    /// A shared connection; where there is none, the reason.
    pub(super) async fn acquire(&self) -> anyhow::Result<PoolConnection<Postgres>> {
        // The pool would ask the one that it knows for as long as it may.
        let settled = self.settle_on(Way::Main).await;
        settled.map_err(|error| self.unreachable(error))?;
        let error = match self.pool.acquire().await {
            Ok(connection) => return Ok(connection),
            // The pool asks a server that is full again and again, and then does not say why that was in vain.
            Err(sqlx::Error::PoolTimedOut) => {
                // Boxed, since it is large and rare.
                let asking = Box::pin(limited_to(CONNECT_LIMIT, self.connect("pool", Way::Main)));
                asking.await.err().unwrap_or(sqlx::Error::PoolTimedOut)
            }
            Err(error) => error,
        };
        Err(self.unreachable(error))
    }

    /// A connection of one's own; where there is none, the reason.
    pub(super) async fn connect_to(&self, name: &str, way: Way) -> anyhow::Result<PgConnection> {
        // Boxed, since it is large and rare.
        let connected = self.connect(name, way);
        let connected = Box::pin(limited_to(CONNECT_LIMIT, connected)).await;
        let (connection, _) = connected.map_err(|error| self.unreachable(error))?;
        Ok(connection)
    }

    pub(super) fn unreachable(&self, error: sqlx::Error) -> anyhow::Error {
        let name = self.name();
        let words = if turns_away(&error) {
            format!("could not connect to {name}")
        } else {
            format!("could not reach {name}; is it running, and is DATABASE_URL right?")
        };
        anyhow::Error::new(error).context(words)
    }
}
