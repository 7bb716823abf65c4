//! Settings that say how much a gateway takes.

use std::net::IpAddr;

use clap::Args;
use ipnet::IpNet;

/// How much a gateway takes; 0 is no limit.
#[derive(Args, Clone, Debug)]
pub struct LimitsConfig {
    /// The largest content of a job, in bytes; without a limit of its own, that of its frame holds
    #[arg(
        long,
        env = "RINGBACK_MAX_CONTENT",
        default_value_t = 0,
        value_name = "BYTES"
    )]
    pub max_content: usize,

    /// How many connections there may be
    #[arg(
        long,
        env = "RINGBACK_MAX_CONNECTIONS",
        default_value_t = 100_000,
        value_name = "COUNT"
    )]
    pub max_connections: usize,

    /// How many of them from one address; this machine's own do not count
    #[arg(
        long,
        env = "RINGBACK_MAX_CONNECTIONS_PER_ADDRESS",
        default_value_t = 1_000,
        value_name = "COUNT"
    )]
    pub max_connections_per_address: usize,

    /// How many sockets one subject may have open
    #[arg(
        long,
        env = "RINGBACK_MAX_SOCKETS_PER_SUBJECT",
        default_value_t = 1_000,
        value_name = "COUNT"
    )]
    pub max_sockets_per_subject: usize,

    /// How many messages one socket may send in a second
    #[arg(
        long,
        env = "RINGBACK_MAX_RATE_PER_SOCKET",
        default_value_t = 50_000,
        value_name = "MESSAGES"
    )]
    pub max_rate_per_socket: u32,

    /// How many messages and requests one subject may send in a second
    #[arg(
        long,
        env = "RINGBACK_MAX_RATE_PER_SUBJECT",
        default_value_t = 100_000,
        value_name = "MESSAGES"
    )]
    pub max_rate_per_subject: u32,

    /// How many jobs may wait in all before new ones are refused
    #[arg(
        long,
        env = "RINGBACK_MAX_WAITING",
        default_value_t = 10_000_000,
        value_name = "JOBS"
    )]
    pub max_waiting: u64,

    /// How many of them may be one subject's
    #[arg(
        long,
        env = "RINGBACK_MAX_WAITING_PER_SUBJECT",
        default_value_t = 100_000,
        value_name = "JOBS"
    )]
    pub max_waiting_per_subject: u64,

    /// The addresses of proxies whose word is taken for whom they speak for (X-Forwarded-For)
    #[arg(long, env = "RINGBACK_TRUSTED_PROXIES", value_delimiter = ',', value_parser = network, value_name = "ADDRESS[/BITS],…")]
    pub trusted_proxies: Vec<IpNet>,
}

/// An address, or all that begin like it.
fn network(text: &str) -> Result<IpNet, String> {
    let one = text.parse::<IpAddr>().map(IpNet::from);
    one.or_else(|_| text.parse())
        .map_err(|_| format!("{text:?} is no address, such as 10.0.0.7 or 10.0.0.0/8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_an_address_or_many() {
        assert_eq!(network("10.0.0.7"), Ok("10.0.0.7/32".parse().unwrap()));
        assert_eq!(network("::1"), Ok("::1/128".parse().unwrap()));
        assert!(network("10.0.0.0/8").is_ok());
        assert!(network("proxy.example.com").is_err());
        assert!(network("10.0.0.0/33").is_err());
    }
}
