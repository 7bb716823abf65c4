//! A balancer with the configuration that is deployed, in front of gateways that are processes; its names and ports are
//! those that are free here, and it vouches for clients that have no token.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;

use ringback::auth::Algorithm;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::names::Names;
use super::system::{free_port, program};
use super::{DataDir, Issuer, Program, eventually};

const SCOPES: &str = "jobs:submit jobs:read admin";

pub(crate) struct Balancer {
    /// Where clients come.
    pub(crate) address: String,
    /// Whom the gateways believe: they take nobody who comes through a balancer without a token.
    pub(crate) issuer: Issuer,
    /// Where the gateways are, all on one port.
    gateways: Vec<Ipv4Addr>,
    port: u16,
    /// Where it says how it is.
    statistics: String,
    configuration: PathBuf,
    program: Program,
    _names: Names,
    _folder: DataDir,
}

/// The program.
pub(crate) fn haproxy() -> Command {
    Command::new(program("haproxy").expect("HAProxy should be installed"))
}

fn start(configuration: &Path) -> Program {
    Program::spawn(haproxy().args(["-db", "-f"]).arg(configuration))
}

impl Balancer {
    /// In front of so many gateways, each at an address of this machine's own.
    pub(crate) async fn new(gateways: usize) -> Self {
        let addresses = (2..).map(|last| Ipv4Addr::new(127, 0, 0, last));
        Self::before(addresses.take(gateways).collect()).await
    }

    /// In front of gateways at these addresses.
    pub(crate) async fn before(gateways: Vec<Ipv4Addr>) -> Self {
        let names = Names::of(gateways.clone()).await;
        let (port, address) = (free_port(), format!("127.0.0.1:{}", free_port()));
        let statistics = format!("127.0.0.1:{}", free_port());
        let issuer = Issuer::new(Algorithm::Hs256);
        let token = issuer.token("alice", SCOPES);
        let deployed = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/haproxy.cfg");
        let mut text = std::fs::read_to_string(deployed).unwrap();
        for (deployed, here) in [
            (
                "\nglobal\n",
                format!("\nglobal\n    stats socket ipv4@{statistics}\n"),
            ),
            (
                "    bind :8000\n",
                format!(
                    "    bind {address}\n    http-request set-header Authorization \"Bearer {token}\" \
                     unless {{ req.hdr(Authorization) -m found }}\n"
                ),
            ),
            (" gateway:8000 ", format!(" gateway:{port} ")),
            (
                "parse-resolv-conf",
                format!("nameserver here {}", names.address),
            ),
        ] {
            assert_eq!(text.matches(deployed).count(), 1, "{deployed}");
            text = text.replace(deployed, &here);
        }
        let folder = DataDir::new();
        std::fs::create_dir_all(folder.path()).unwrap();
        let configuration = folder.path().join("haproxy.cfg");
        std::fs::write(&configuration, text).unwrap();
        let balancer = Self {
            address,
            issuer,
            gateways,
            port,
            statistics,
            program: start(&configuration),
            configuration,
            _names: names,
            _folder: folder,
        };
        balancer.listens().await;
        balancer
    }

    async fn listens(&self) {
        eventually("the balancer should listen", async || {
            TcpStream::connect(&self.address).await.is_ok()
        })
        .await;
    }

    /// The host and port of one of the gateways.
    pub(crate) fn place(&self, which: usize) -> String {
        format!("{}:{}", self.gateways[which], self.port)
    }

    /// A gateway at its place, which the balancer has still to find.
    pub(crate) async fn gateway(&self, which: usize, url: &str, arguments: &[&str]) -> Program {
        let place = self.place(which);
        let serve = ["serve", "--listen", &place];
        let arguments = [&serve[..], &self.issuer.settings(), arguments].concat();
        let gateway = Program::start_at(url, &arguments);
        gateway.printed("serving").await;
        gateway
    }

    /// Waits until it has found so many gateways ready, and no more.
    pub(crate) async fn ready(&self, gateways: usize) {
        eventually("the balancer should find them ready", async || {
            // Those that have not been asked yet are taken for ready as well.
            let is_ready = |status: &[String; 3]| status[0] == "UP" && status[1] == "L7OK";
            let found = self.found().await;
            found.iter().filter(|status| is_ready(status)).count() == gateways
        })
        .await;
    }

    /// How much each gateway that is there was asked so far: sockets and requests.
    pub(crate) async fn asked(&self) -> Vec<u64> {
        let found = self.found().await.into_iter();
        let there = found.filter(|[status, ..]| status == "UP");
        there.map(|[.., asked]| asked.parse().unwrap()).collect()
    }

    /// What it says of each gateway: whether that is there, how it knows, and what went to it.
    async fn found(&self) -> Vec<[String; 3]> {
        let mut socket = TcpStream::connect(&self.statistics).await.unwrap();
        socket.write_all(b"show stat\n").await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        let mut lines = answer
            .lines()
            .map(|line| line.split(',').collect::<Vec<_>>());
        let names = lines.next().unwrap();
        let place = |name: &str| names.iter().position(|it| *it == name).unwrap();
        let columns = ["status", "check_status", "stot"].map(place);
        // Of what it says, servers are the second kind.
        let is_server = |line: &Vec<&str>| line.get(place("type")) == Some(&"2");
        let servers = lines.filter(is_server);
        servers
            .map(|line| columns.map(|column| line[column].to_owned()))
            .collect()
    }

    /// Without a word to anybody.
    pub(crate) fn kill(&mut self) {
        self.program.kill();
    }

    /// Starts it again, where it was.
    pub(crate) async fn start(&mut self) {
        self.program = start(&self.configuration);
        self.listens().await;
    }
}
