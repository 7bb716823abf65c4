//! How a gateway serves.

use std::time::Duration;

use ipnet::IpNet;

use super::access::Access;
use super::tls::Tls;
use crate::config::Keep;
use crate::postgres::listener::Hearing;

/// How a gateway serves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The largest frame a client may send, in bytes.
    pub max_frame: usize,
    /// Whether it listens for hints.
    pub hearing: Hearing,
    /// After how long a silence a client is asked whether it is there.
    pub ping_every: Duration,
    /// How long it may take to answer.
    pub ping_patience: Duration,
    /// How long things are kept.
    pub keep: Keep,
    /// How long answers on their way may still take when it is asked to stop.
    pub grace: Duration,
    /// Who may speak to it.
    pub access: Access,
    /// Its certificate, where it speaks TLS itself.
    pub tls: Option<Tls>,
    /// How much it takes.
    pub limits: Limits,
}

/// How much a gateway takes; 0 is no limit, and there are none by default.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    /// The largest content of a job, in bytes.
    pub content: usize,
    /// How many connections there may be.
    pub connections: usize,
    /// How many of them from one address; this machine's own do not count.
    pub connections_per_address: usize,
    /// How many sockets one subject may have open.
    pub sockets_per_subject: usize,
    /// How many messages one socket may send in a second.
    pub rate_per_socket: u32,
    /// How many messages and requests one subject may send in a second.
    pub rate_per_subject: u32,
    /// How many jobs may wait in all before new ones are refused.
    pub waiting: u64,
    /// How many of them may be one subject's.
    pub waiting_per_subject: u64,
    /// The proxies whose word is taken for whom they speak for.
    pub trusted_proxies: Vec<IpNet>,
}
