//! Hosts of their own, as network namespaces: each with a gateway and a worker, a cable to the switch where Postgres and the
//! balancer are, and nothing else.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use uuid::Uuid;

use crate::faults::running;
use crate::sessions::id;
use crate::support::{
    Balancer, Client, Program, TestDatabase, eventually, eventually_within, example,
};

use super::outages::RECOVERY;

/// How many jobs the host has that loses its network.
const JOBS: i64 = 6;

/// A switch in this machine, gone with all that was plugged in when it is dropped.
struct Switch {
    name: String,
    /// Of all addresses here, the first three numbers.
    network: [u8; 3],
    hosts: Vec<Host>,
}

/// A network namespace with a cable to the switch.
struct Host {
    namespace: String,
    /// The end of the cable that is at the switch.
    plug: String,
    address: Ipv4Addr,
}

fn ip(arguments: &str) -> bool {
    let mut command = Command::new("ip");
    let output = command.args(arguments.split(' ')).output();
    output.is_ok_and(|output| output.status.success())
}

impl Switch {
    /// With so many hosts; none, and a word about it, where this system does not let us have them.
    #[expect(
        clippy::print_stderr,
        reason = "that something was not tested should be seen"
    )]
    fn with(hosts: u8) -> Option<Self> {
        let number = fastrand::u16(..);
        let [high, low] = number.to_be_bytes();
        let mut switch = Self {
            name: format!("rb{number:04x}"),
            // Of those that are kept for tests of networks.
            network: [198, 18 + high % 2, low],
            hosts: Vec::new(),
        };
        let name = &switch.name;
        let here = switch.address(1);
        let is_there = ip(&format!("link add {name} type bridge"))
            && ip(&format!("address add {here}/24 dev {name}"))
            && ip(&format!("link set {name} up"));
        if is_there && (2..2 + hosts).all(|last| switch.plug_in(last)) {
            return Some(switch);
        }
        eprintln!("left out: no network namespace can be made here, which takes root and iproute2");
        None
    }

    fn address(&self, last: u8) -> Ipv4Addr {
        let [first, second, third] = self.network;
        Ipv4Addr::new(first, second, third, last)
    }

    fn plug_in(&mut self, last: u8) -> bool {
        let (name, address) = (&self.name, self.address(last));
        let (namespace, plug) = (format!("{name}-{last}"), format!("{name}p{last}"));
        let is_there = ip(&format!("netns add {namespace}"));
        let is_plugged_in = is_there
            && ip(&format!(
                "link add {plug} type veth peer name eth0 netns {namespace}"
            ))
            && ip(&format!("link set {plug} master {name} up"))
            && ip(&format!("-n {namespace} address add {address}/24 dev eth0"))
            && ip(&format!("-n {namespace} link set eth0 up"))
            && ip(&format!("-n {namespace} link set lo up"));
        self.hosts.push(Host {
            namespace,
            plug,
            address,
        });
        is_plugged_in
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        for host in &self.hosts {
            ip(&format!("netns delete {}", host.namespace));
            ip(&format!("link delete {}", host.plug));
        }
        ip(&format!("link delete {}", self.name));
    }
}

impl Host {
    /// A program on this host.
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", &self.namespace])
            .arg(program);
        command
    }

    fn unplug(&self) {
        assert!(ip(&format!("link set {} down", self.plug)));
    }

    fn plug_in_again(&self) {
        assert!(ip(&format!("link set {} up", self.plug)));
    }
}

/// Two hosts, and what they have in common.
struct World {
    gateways: Vec<Program>,
    workers: Vec<Program>,
    balancer: Balancer,
    database: TestDatabase,
    /// Of the database, from the hosts.
    url: String,
    /// Last, since what is on the hosts ends before.
    switch: Switch,
}

impl World {
    async fn new() -> Option<Self> {
        let switch = Switch::with(2)?;
        let mut database = TestDatabase::on_its_own_server().await;
        let here = switch.address(1);
        let data: String = sqlx::query_scalar("show data_directory")
            .fetch_one(&database.pool)
            .await
            .unwrap();
        let access = Path::new(&data).join("pg_hba.conf");
        let mut rules = std::fs::read_to_string(&access).unwrap();
        rules += &format!("host all all {here}/24 scram-sha-256\n");
        std::fs::write(&access, rules).unwrap();
        let listen = format!("alter system set listen_addresses = '127.0.0.1,{here}'");
        database.execute(&listen).await;
        database.restart_server().await;
        Some(Self {
            gateways: Vec::new(),
            workers: Vec::new(),
            balancer: Balancer::before(switch.hosts.iter().map(|host| host.address).collect())
                .await,
            url: database.url.replace("127.0.0.1", &here.to_string()),
            database,
            switch,
        })
    }

    /// Starts a worker on a host.
    async fn work(&mut self, which: usize) {
        let mut command = self.switch.hosts[which].command(&example("unruly"));
        let worker = Program::spawn(command.env("DATABASE_URL", &self.url));
        worker.printed("working").await;
        eventually("it should be known with its tasks", async || {
            let known = format!("ringback.worker where pid = {}", worker.pid());
            self.database.count(&known).await == 1
                && self
                    .database
                    .count("ringback.task where name = 'hold'")
                    .await
                    == 1
        })
        .await;
        self.workers.push(worker);
    }

    /// Starts a gateway on a host; it knows the tasks of the workers that are there.
    async fn serve(&mut self, which: usize) {
        let host = &self.switch.hosts[which];
        let mut command = host.command(Path::new(env!("CARGO_BIN_EXE_ringback")));
        command
            .args(["serve", "--listen", &self.balancer.place(which)])
            .args(self.balancer.issuer.settings())
            .env("DATABASE_URL", &self.url)
            // As `Program::start_at` has it.
            .env("RINGBACK_PING_PATIENCE", "5m");
        let gateway = Program::spawn(&mut command);
        gateway.printed("serving").await;
        self.gateways.push(gateway);
        self.balancer.ready(which + 1).await;
    }

    async fn client(&self) -> Client {
        Client::connect_to(&self.balancer.address).await
    }
}

#[tokio::test]
async fn a_host_without_its_network_loses_its_jobs_to_another_and_records_nothing_when_it_is_back()
{
    let Some(mut world) = World::new().await else {
        return;
    };
    world.work(0).await;
    world.serve(0).await;
    let mut first = world.client().await;
    let secret = first.begin().await;
    world.serve(1).await;
    let mut second = world.client().await;
    second.begin().await;
    let sessions = "ringback.session where gateway_id is not null";
    let gateways = format!("(select distinct gateway_id from {sessions}) as gateway");
    assert_eq!(world.database.count(&gateways).await, 2);
    let mut jobs = Vec::new();
    // Less than the lease: they end while nobody hears of it.
    for _ in 0..JOBS {
        jobs.push(first.submit("hold", "10").await);
    }
    running(&world.database, JOBS).await;

    world.switch.hosts[0].unplug();
    let unplugged = Instant::now();
    world.work(1).await;
    // Nobody has told it that its gateway is gone; whoever hears nothing comes again, and elsewhere.
    let mut again = world.client().await;
    let pending = again.recover(&secret).await;
    assert_eq!(pending.len(), jobs.len());
    let elsewhere = format!(
        "ringback.job where state = 'running' and attempt = 2 and crashes = 1 and worker_id = '{}'",
        world.id_of(1).await
    );
    eventually_within(RECOVERY, "they should run elsewhere", async || {
        world.database.count(&elsewhere).await == JOBS
    })
    .await;
    assert!(unplugged.elapsed() < RECOVERY, "{:?}", unplugged.elapsed());
    // The other's clients notice nothing of it.
    let other = second.submit("count", "").await;
    assert_eq!(
        second.results(1).await.into_keys().collect::<Vec<_>>(),
        [other]
    );
    let results = again.results(jobs.len()).await;
    assert!(jobs.iter().all(|job| results.contains_key(job)));
    again.ack(&results.into_values().collect::<Vec<_>>()).await;

    world.switch.hosts[0].plug_in_again();
    world.balancer.ready(2).await;
    world.workers[0]
        .printed_one_of(&["outcomes came too late", "given to another worker"])
        .await;
    // Its gateway lets go of the socket that it still had.
    assert_eq!(
        first.closed().await.map(|close| u16::from(close.code)),
        Some(4010)
    );
    for client in [&mut again, &mut second] {
        client.expect_silence().await;
    }
    let once = "ringback.job_history where state = 'succeeded' and attempt = 2 and crashes = 1";
    assert_eq!(world.database.count(once).await, JOBS);
    assert_eq!(world.database.count("ringback.jobs").await, JOBS + 1);
    assert_eq!(world.database.count("ringback.job_attempt").await, JOBS);

    // It works on: there is nobody else now.
    world.workers[1].signal("TERM");
    assert!(world.workers[1].ended().await.success());
    again.submit("count", "").await;
    let result = again.next().await;
    assert_eq!(result.text(), "1", "{result:?}");
    again.ack(&[id(&result)]).await;
    let its = format!(
        "ringback.job_history where worker_id = '{}'",
        world.id_of(0).await
    );
    assert_eq!(world.database.count(&its).await, 1);
}

impl World {
    /// The worker of a host, as the database knows it.
    async fn id_of(&self, which: usize) -> Uuid {
        sqlx::query_scalar("select id from ringback.worker where pid = $1")
            .bind(i32::try_from(self.workers[which].pid()).unwrap())
            .fetch_one(&self.database.pool)
            .await
            .unwrap()
    }
}
