//! Where a database is, and how a connection to it is made.

use std::str::FromStr;

use anyhow::{Context, bail};
use sqlx::postgres::PgConnectOptions;

use super::hosts::{Hosts, each_host};
use super::replica::Replica;
use crate::config::{DatabaseConfig, Pooler};

/// Where a database is, and what is on the way there.
#[derive(Clone, Debug)]
pub struct Address {
    /// Where everything goes that need not go elsewhere.
    pub url: String,
    /// The same database past any pooler.
    pub direct_url: Option<String>,
    /// A replica of it, for whoever looks around.
    pub replica_url: Option<String>,
    /// The pooler that `url` leads through.
    pub pooler: Pooler,
}

impl Address {
    /// A server, with nothing on the way.
    #[must_use]
    pub fn of(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            direct_url: None,
            replica_url: None,
            pooler: Pooler::None,
        }
    }

    /// What the settings name: nothing, one database, or several shards.
    ///
    /// # Errors
    /// When they do not suit each other.
    pub fn named(config: &DatabaseConfig) -> anyhow::Result<Vec<Self>> {
        let urls: Vec<&str> = match (config.url(), config.urls()) {
            (Some(_), Some(_)) => {
                bail!(
                    "DATABASE_URL names one database, and DATABASE_URLS several shards: set one of them"
                )
            }
            (Some(url), None) => vec![url],
            (None, Some(urls)) if urls.trim().is_empty() => {
                bail!(
                    "DATABASE_URLS names no database: name some, separated by spaces, or leave it out"
                )
            }
            (None, Some(urls)) => urls.split_whitespace().collect(),
            (None, None) => Vec::new(),
        };
        let direct = beside(config.direct_url(), "DIRECT_DATABASE_URL", urls.len())?;
        let replicas = beside(config.replica_url(), "REPLICA_DATABASE_URL", urls.len())?;
        let addresses = urls.iter().enumerate().map(|(index, url)| Self {
            direct_url: direct.get(index).map(|url| (*url).to_owned()),
            replica_url: replicas.get(index).map(|url| (*url).to_owned()),
            pooler: config.pooler,
            ..Self::of(url)
        });
        Ok(addresses.collect())
    }

    pub(super) fn hosts(&self) -> anyhow::Result<Hosts> {
        let each = each_host(&self.url);
        let each = each.iter().map(|url| match self.pooler {
            Pooler::None => options(url),
            // A pooler would refuse what is asked for at the start of a connection, or leave it out.
            Pooler::Prepared | Pooler::Transaction => plain(url),
        });
        Ok(Hosts::new(each.collect::<anyhow::Result<_>>()?))
    }

    pub(super) fn direct_hosts(&self) -> anyhow::Result<Option<Hosts>> {
        let Some(url) = &self.direct_url else {
            return Ok(None);
        };
        let each: anyhow::Result<_> = each_host(url).iter().map(|url| options(url)).collect();
        Ok(Some(Hosts::new(
            each.context("could not read DIRECT_DATABASE_URL")?,
        )))
    }

    pub(super) fn replica(&self) -> anyhow::Result<Option<Replica>> {
        let options = self.replica_url.as_deref().map(options).transpose();
        let options = options.context("could not read REPLICA_DATABASE_URL")?;
        Ok(options.map(Replica::new))
    }
}

/// As many URLs as there are databases, or none.
fn beside<'a>(
    urls: Option<&'a str>,
    setting: &str,
    databases: usize,
) -> anyhow::Result<Vec<&'a str>> {
    let urls: Vec<&str> = urls.into_iter().flat_map(str::split_whitespace).collect();
    match urls.len() {
        0 => Ok(urls),
        _ if databases == 0 => {
            bail!("{setting} is another way to the database that DATABASE_URL names: set both")
        }
        count if count == databases => Ok(urls),
        count => bail!(
            "{setting} names {count} where there are {databases} databases: name one for each, separated by spaces"
        ),
    }
}

/// How every connection of ours to a server is made.
pub(super) fn options(url: &str) -> anyhow::Result<PgConnectOptions> {
    let options = plain(url)?.options([
        // A plan made while a table is empty must not keep its sequential scan for ever, and a lookup by ids
        // must not turn into a hash of the whole table: every statement of ours is a walk along an index.
        ("enable_seqscan", "off"),
        ("enable_mergejoin", "off"),
        ("jit", "off"),
        // Such a walk is the same whatever it is asked for, so it is planned once for each connection: for a job
        // that comes alone, planning would take longer than storing it.
        ("plan_cache_mode", "force_generic_plan"),
        // A forgotten transaction must not hold locks or dead rows for ever.
        ("idle_in_transaction_session_timeout", "20s"),
        // The server notices a client that is gone, even while it sends to it.
        ("tcp_keepalives_idle", "15"),
        ("tcp_keepalives_interval", "5"),
        ("tcp_keepalives_count", "3"),
        ("tcp_user_timeout", "30000"),
    ]);
    Ok(options)
}

fn plain(url: &str) -> anyhow::Result<PgConnectOptions> {
    let options = PgConnectOptions::from_str(url).context(
        "DATABASE_URL is not a Postgres URL, such as postgres://user:password@host:5432/name",
    )?;
    Ok(options.application_name("ringback"))
}
