//! Settings: each one a flag and an environment variable, with its default and its meaning.
//!
//! `.env.example` lists them all; a test compares the two.

mod access;
mod database;
mod keep;
mod limits;
mod telemetry;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

pub use access::{AccessConfig, AuthKind, SigningConfig, TokenConfig};
pub use database::{DatabaseConfig, Pooler};
pub use keep::{Keep, at_least};
pub use limits::LimitsConfig;
pub use telemetry::{LogFormat, TelemetryConfig};

/// Where a gateway serves, where nothing else is said.
pub(crate) const LISTEN: &str = "127.0.0.1:8000";

/// Where tasks are that are no Rust.
#[derive(Args, Clone, Debug)]
pub struct TasksConfig {
    /// A file of tasks that are commands or HTTP functions; without it, `tasks.toml`, where there is one
    #[arg(long, env = "RINGBACK_TASKS", value_name = "FILE")]
    pub tasks: Option<PathBuf>,
}

/// What every process that serves or works has in common.
#[derive(Args, Clone, Debug)]
pub struct FleetConfig {
    /// Ask the tables instead of listening for hints (for poolers that cannot LISTEN)
    #[arg(long, env = "RINGBACK_POLL_ONLY")]
    pub poll_only: bool,

    /// Send the hints of all jobs by these NATS servers instead of NOTIFY, for fleets that outgrow it
    #[arg(long, env = "NATS_URL", hide_env_values = true, value_name = "URL,…")]
    pub nats_url: Option<String>,

    /// Where tasks are that are no Rust.
    #[command(flatten)]
    pub tasks: TasksConfig,

    /// Serve this process's figures here as well, at `/metrics`, to whoever reaches the address; for workers, which
    /// serve nothing else
    #[arg(long, env = "RINGBACK_METRICS_LISTEN", value_parser = listen, value_name = "ADDRESS:PORT")]
    pub metrics_listen: Option<SocketAddr>,

    /// What it tells of itself.
    #[command(flatten)]
    pub telemetry: TelemetryConfig,

    /// Bring the database's schema up to date before starting
    #[arg(long, env = "RINGBACK_MIGRATE")]
    pub migrate: bool,

    /// How long things are kept.
    #[command(flatten)]
    pub keep: Keep,

    /// How long running jobs, and answers on their way, may still take after a stop was asked for
    #[arg(long, env = "RINGBACK_SHUTDOWN_GRACE", default_value = "30s", value_parser = duration, value_name = "TIME")]
    pub shutdown_grace: Duration,
}

/// The gateway's settings.
#[derive(Args, Clone, Debug)]
pub struct GatewayConfig {
    /// The address to serve; without authentication, only a loopback one
    #[arg(long, env = "RINGBACK_LISTEN", default_value = LISTEN, value_parser = listen, value_name = "ADDRESS:PORT")]
    pub listen: SocketAddr,

    /// The largest frame a client may send, in bytes
    #[arg(
        long,
        env = "RINGBACK_MAX_FRAME",
        default_value_t = 65_536,
        value_name = "BYTES"
    )]
    pub max_frame: usize,

    /// After how long a silence a client is asked whether it is there
    #[arg(long, env = "RINGBACK_PING_EVERY", default_value = "25s", value_parser = some_duration, value_name = "TIME")]
    pub ping_every: Duration,

    /// How long a client may take to answer that
    #[arg(long, env = "RINGBACK_PING_PATIENCE", default_value = "10s", value_parser = some_duration, value_name = "TIME")]
    pub ping_patience: Duration,

    /// Who may speak to it.
    #[command(flatten)]
    pub access: AccessConfig,

    /// How much it takes.
    #[command(flatten)]
    pub limits: LimitsConfig,
}

/// The worker's settings.
#[derive(Args, Clone, Debug)]
pub struct WorkerConfig {
    /// How many jobs this worker runs at once
    #[arg(long, env = "RINGBACK_CONCURRENCY", default_value_t = 256, value_parser = concurrency, value_name = "JOBS")]
    pub concurrency: usize,

    /// The largest result, in bytes of JSON; a job that gives a larger one fails
    #[arg(
        long,
        env = "RINGBACK_MAX_RESULT",
        default_value_t = 1_048_576,
        value_name = "BYTES"
    )]
    pub max_result: usize,

    /// The queues this worker claims from, each with how many of its slots it may take (all, without); none is all queues of
    /// its tasks
    #[arg(long, env = "RINGBACK_QUEUES", value_delimiter = ',', value_parser = queue, value_name = "NAME[=JOBS],…")]
    pub queues: Vec<(String, Option<usize>)>,

    /// Where the gateways are reached by functions that call back, such as `https://jobs.example.com`; without it, none
    /// is asked to
    #[arg(long, env = "RINGBACK_PUBLIC_URL", value_parser = public_url, value_name = "URL")]
    pub public_url: Option<String>,

    /// Scales the pretended work of the demonstration tasks; 0 for none
    #[arg(long, env = "RINGBACK_DELAY_SCALE", default_value_t = 1.0, value_parser = delay_scale, value_name = "FACTOR")]
    pub delay_scale: f64,
}

/// When a worker ends by itself.
#[derive(Args, Clone, Debug)]
pub struct IdleConfig {
    /// End after so long without anything to do, for platforms that start workers on demand
    #[arg(long, env = "RINGBACK_UNTIL_IDLE", value_parser = some_duration, value_name = "TIME")]
    pub until_idle: Option<Duration>,
}

/// Reads a duration: a number and `ms`, `s`, `m`, `h` or `d`; a bare number is seconds.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let at = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let factor = match unit.trim() {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3_600.0,
        "d" => 86_400.0,
        _ => return Err(format!("the unit of {text:?} is not one of ms, s, m, h, d")),
    };
    let number: f64 = number
        .parse()
        .map_err(|_| format!("{text:?} does not begin with a number"))?;
    Duration::try_from_secs_f64(number * factor).map_err(|_| format!("{text:?} is too long"))
}

/// The same, but not none.
pub(crate) fn some_duration(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("must be longer than nothing".to_owned()),
        duration => Ok(duration),
    }
}

/// Reads an address and a port.
pub(crate) fn listen(text: &str) -> Result<SocketAddr, String> {
    text.replace("localhost:", "127.0.0.1:")
        .parse()
        .map_err(|_| format!("{text:?} is not an address and a port, such as {LISTEN}"))
}

/// Whether the host of a URL is this machine.
pub(crate) fn is_here(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

fn concurrency(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(jobs @ 1..=100_000) => Ok(jobs),
        _ => Err("must be a whole number from 1 to 100000".to_owned()),
    }
}

/// A queue, and how many slots it may take.
fn queue(text: &str) -> Result<(String, Option<usize>), String> {
    let (name, width) = match text.split_once('=') {
        Some((name, width)) => (name, Some(concurrency(width)?)),
        None => (text, None),
    };
    match name.trim() {
        "" => Err("a queue needs a name, such as default or mail=10".to_owned()),
        name => Ok((name.to_owned(), width)),
    }
}

/// An address that can stand in a header, and to which a path can be added.
fn public_url(text: &str) -> Result<String, String> {
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    let is_plain =
        |rest: &str| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_graphic());
    if rest.is_some_and(is_plain) && !text.contains(['?', '#']) {
        Ok(text.to_owned())
    } else {
        Err("must be an address such as https://jobs.example.com".to_owned())
    }
}

fn delay_scale(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(scale) if (0.0..=1_000.0).contains(&scale) => Ok(scale),
        _ => Err("must be a number from 0 to 1000".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_number_and_a_unit() {
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("2"), Ok(Duration::from_secs(2)));
        assert_eq!(duration("1.5m"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("30d"), Ok(Duration::from_secs(30 * 86_400)));
        assert!(duration("soon").is_err());
        assert!(duration("1y").is_err());
        assert!(duration("99999999999999999999d").is_err());
    }

    #[test]
    fn a_queue_is_a_name_and_perhaps_a_width() {
        assert_eq!(queue("default"), Ok(("default".to_owned(), None)));
        assert_eq!(queue("mail=10"), Ok(("mail".to_owned(), Some(10))));
        assert!(queue("=10").is_err());
        assert!(queue("mail=0").is_err());
        assert!(queue("mail=many").is_err());
    }

    #[test]
    fn a_public_url_is_one_that_a_path_can_be_added_to() {
        assert!(public_url("https://jobs.example.com").is_ok());
        assert!(public_url("http://127.0.0.1:8000/below/").is_ok());
        for wrong in [
            "jobs.example.com",
            "https://",
            "https://a?b",
            "https://a b",
            "ftp://a",
        ] {
            assert!(public_url(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn only_loopback_hosts_are_here() {
        for here in ["localhost", "127.0.0.2", "[::1]"] {
            assert!(is_here(here), "{here}");
        }
        for elsewhere in ["jobs.example.com", "127.0.0.1.example.com", "192.0.2.1", ""] {
            assert!(!is_here(elsewhere), "{elsewhere}");
        }
    }

    #[test]
    fn an_address_has_a_port() {
        assert!(listen("127.0.0.1:8000").is_ok());
        assert!(listen("[::1]:0").is_ok());
        assert!(listen("localhost:8000").is_ok());
        assert!(listen("8000").is_err());
    }
}
