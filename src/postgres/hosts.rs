//! The servers of one database: one of them takes what is written; the others follow it, and may take its place.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Executor, PgConnection, Row};

use super::link::limited_to;

/// How long each of several may take to connect: the others are to have their turn.
const HOST_LIMIT: Duration = Duration::from_secs(3);

/// Where the servers are, and which of them took the last connection; clones share that.
#[derive(Clone, Debug)]
pub(super) struct Hosts {
    each: Arc<[PgConnectOptions]>,
    now: Arc<AtomicUsize>,
    /// Whether somebody had no answer from that one since.
    is_in_doubt: Arc<AtomicBool>,
}

impl Hosts {
    pub(super) fn new(each: Vec<PgConnectOptions>) -> Self {
        Self {
            each: each.into(),
            now: Arc::default(),
            is_in_doubt: Arc::default(),
        }
    }

    /// Whether there is another where one is lost.
    pub(super) fn are_several(&self) -> bool {
        self.each.len() > 1
    }

    /// Says that the one that is known gave no answer.
    pub(super) fn doubt(&self) {
        self.is_in_doubt.store(true, Ordering::Relaxed);
    }

    /// Whether somebody has said so; one of those who ask is told, and looks for the others as well.
    pub(super) fn was_doubted(&self) -> bool {
        self.is_in_doubt.load(Ordering::Relaxed) && self.is_in_doubt.swap(false, Ordering::Relaxed)
    }

    /// How the last connection was made.
    pub(super) fn now(&self) -> &PgConnectOptions {
        &self.each[self.now.load(Ordering::Relaxed)]
    }

    /// A connection to the one that takes what is written; answers whether it is another than before.
    pub(super) async fn connect(&self, name: &str) -> Result<(PgConnection, bool), sqlx::Error> {
        let before = self.now.load(Ordering::Relaxed);
        let mut failed = None;
        for turn in 0..self.each.len() {
            let index = (before + turn) % self.each.len();
            let options = self.each[index].clone().application_name(name);
            match limited_to(HOST_LIMIT, primary(&options)).await {
                Ok(connection) => {
                    self.now.store(index, Ordering::Relaxed);
                    return Ok((connection, turn > 0));
                }
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        Err(failed.expect("there is at least one"))
    }
}

async fn primary(options: &PgConnectOptions) -> Result<PgConnection, sqlx::Error> {
    let mut connection = options.connect().await?;
    // Nothing is prepared for it: there may be a pooler on the way.
    let row = connection.fetch_one("show transaction_read_only").await?;
    if row.get::<&str, _>(0) == "on" {
        let text = format!(
            "the server on {}:{} only reads",
            options.get_host(),
            options.get_port()
        );
        return Err(sqlx::Error::Io(std::io::Error::other(text)));
    }
    Ok(connection)
}

/// The same URL for each of the hosts that it names, separated by commas, as in
/// `postgres://user:password@one:5432,two:5432/name`.
pub(super) fn each_host(url: &str) -> Vec<String> {
    let Some((scheme, rest)) = url.split_once("://") else {
        return vec![url.to_owned()];
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let (login, hosts) = match authority.rsplit_once('@') {
        Some((login, hosts)) => (format!("{login}@"), hosts),
        None => (String::new(), authority),
    };
    let hosts = hosts.split(',');
    hosts
        .map(|host| format!("{scheme}://{login}{host}{path}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_one_host_or_several() {
        for one in [
            "postgres://u:p,q@one:5432/name?sslmode=disable",
            "postgres:///name?host=/var/run/postgresql",
            "nonsense",
        ] {
            assert_eq!(each_host(one), [one]);
        }
        assert_eq!(
            each_host("postgres://u:p@one:5432,two,[::1]:5433/name?a=b,c"),
            [
                "postgres://u:p@one:5432/name?a=b,c",
                "postgres://u:p@two/name?a=b,c",
                "postgres://u:p@[::1]:5433/name?a=b,c",
            ]
        );
    }
}
