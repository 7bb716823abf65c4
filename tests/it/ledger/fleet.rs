//! The processes, and what becomes of them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::World;
use super::book::Book;
use crate::support::{Line, Program, Proxy, TestDatabase, eventually};

/// The connections that a gateway and a worker have to the database.
const LINES: [&str; 11] = [
    "ringback",
    "ringback intake",
    "ringback relay",
    "ringback acks",
    "ringback listener",
    "ringback claimer",
    "ringback finisher",
    "ringback heartbeat",
    "ringback sweeper",
    "ringback housekeeping",
    "ringback expiry",
];

/// Two gateways and two workers, each of which reaches the database over a line that can be bad.
pub(super) struct Fleet {
    pub(super) database: TestDatabase,
    proxy: Proxy,
    /// Of the database, through the proxy.
    url: String,
    gateways: Vec<Program>,
    workers: Vec<Program>,
    pub(super) world: Arc<World>,
}

impl Fleet {
    pub(super) async fn new() -> Self {
        let database = TestDatabase::on_its_own_server().await;
        let (proxy, url) = Proxy::before_database(&database.url).await;
        let mut fleet = Self {
            database,
            proxy,
            url,
            gateways: Vec::new(),
            workers: Vec::new(),
            world: Arc::default(),
        };
        for _ in 0..2 {
            fleet.gateways.push(fleet.gateway().await);
            fleet.workers.push(fleet.worker().await);
        }
        fleet.publish();
        fleet
    }

    /// It asks silent clients soon: many are left half-open here.
    async fn gateway(&self) -> Program {
        let pings = ["--ping-every", "3s", "--ping-patience", "7s"];
        Program::serve_at(&self.url, &pings).await
    }

    async fn worker(&self) -> Program {
        let worker = Program::start_at(&self.url, &["worker", "--delay-scale", "0.05"]);
        worker.printed("working").await;
        worker
    }

    fn publish(&self) {
        let addresses = self.gateways.iter().map(Program::address).collect();
        *self.world.addresses.lock().unwrap() = addresses;
    }

    /// One fault after another, until the time is over; gives what happened, and when.
    pub(super) async fn suffer(&mut self, seed: u64, time: Duration) -> Vec<String> {
        let mut chance = fastrand::Rng::with_seed(seed);
        let began = Instant::now();
        let mut faults = Vec::new();
        while began.elapsed() < time {
            pause(chance.u64(200..1_500)).await;
            let at = self.world.began.elapsed();
            let fault = self.one(&mut chance).await;
            faults.push(format!("{at:>8.1?} {fault}"));
        }
        faults
    }

    async fn one(&mut self, chance: &mut fastrand::Rng) -> String {
        let which = chance.usize(0..2);
        match chance.u32(0..15) {
            0 => {
                self.workers[which].kill();
                self.workers[which] = self.worker().await;
                format!("worker {which} was killed")
            }
            1 => {
                self.workers[which].signal("TERM");
                assert!(self.workers[which].ended().await.success());
                self.workers[which] = self.worker().await;
                format!("worker {which} was restarted")
            }
            2 => {
                let time = chance.u64(500..18_000);
                self.workers[which].signal("STOP");
                pause(time).await;
                self.workers[which].signal("CONT");
                format!("worker {which} was frozen for {time} ms")
            }
            3 => {
                self.gateways[which].kill();
                self.gateways[which] = self.gateway().await;
                self.publish();
                format!("gateway {which} was killed")
            }
            4 => {
                for gateway in 0..2 {
                    self.gateways[gateway].signal("TERM");
                    assert!(self.gateways[gateway].ended().await.success());
                    self.gateways[gateway] = self.gateway().await;
                    self.publish();
                }
                "all gateways were restarted, one after another".to_owned()
            }
            5 => {
                let time = chance.u64(500..6_000);
                self.gateways[which].signal("STOP");
                pause(time).await;
                self.gateways[which].signal("CONT");
                format!("gateway {which} was frozen for {time} ms")
            }
            6 | 7 => {
                let signal = ["KILL", "INT", "QUIT"][chance.usize(0..3)];
                let time = chance.u64(0..4_000);
                self.database.end_server(signal).await;
                pause(time).await;
                self.database.start_server().await;
                format!("the database ended by SIG{signal} and was gone for {time} ms")
            }
            8 => {
                let time = chance.u64(500..4_000);
                let frozen = self.database.freeze_server().await;
                pause(time).await;
                drop(frozen);
                format!("the database was frozen for {time} ms")
            }
            9 => {
                let cut = "select count(pg_terminate_backend(pid)) from pg_stat_activity
                    where application_name like 'ringback%' and pid <> pg_backend_pid()";
                // Of no use while the database is coming back, and no harm.
                let _ = sqlx::query(cut).execute(&self.database.pool).await;
                "the database ended every connection".to_owned()
            }
            10 => {
                let cut = self.proxy.turn("", Line::Cut);
                format!("the network cut {cut} connections to the database")
            }
            11 => {
                let name = LINES[chance.usize(0..LINES.len())];
                let lines = self.proxy.turn(name, Line::Swallows);
                format!("{lines} connections called {name:?} went half-open")
            }
            12 => {
                let name = LINES[chance.usize(0..LINES.len())];
                let lines = self.proxy.turn(name, Line::CutAtAnswer);
                format!("{lines} connections called {name:?} were cut before their next answer")
            }
            13 => {
                let full = "begin raise exception 'too many notifications in the NOTIFY queue'
                    using errcode = '54000'; end";
                let time = self.hints(full, chance).await;
                format!("the queue of notifications was full for {time} ms")
            }
            _ => {
                let time = self.hints("begin end", chance).await;
                format!("hints were lost for {time} ms")
            }
        }
    }

    /// Replaces what a hint does, for a while.
    async fn hints(&self, body: &str, chance: &mut fastrand::Rng) -> u64 {
        let time = chance.u64(500..4_000);
        self.hint(body).await;
        pause(time).await;
        self.hint("begin perform pg_notify(channel, payload); end")
            .await;
        time
    }

    async fn hint(&self, body: &str) {
        let body = format!(
            "create or replace function ringback.hint(channel text, payload text) returns void
             language plpgsql volatile as $$ {body} $$"
        );
        // The first connection may be one that an earlier fault has cut.
        eventually("the function should be replaced", async || {
            let replacing = sqlx::query(sqlx::AssertSqlSafe(body.clone()));
            replacing.execute(&self.database.pool).await.is_ok()
        })
        .await;
    }

    /// What the database knows of the jobs that somebody still waits for.
    pub(super) async fn story(&self, books: &[Book]) -> String {
        let open = books.iter().flat_map(|book| &book.open);
        let mut story = String::new();
        for (key, entry) in open {
            let jobs =
                sqlx::query_scalar("select jobs::text from ringback.jobs where content = $1");
            let attempts = sqlx::query_scalar(
                "select attempts::text from ringback.attempts
                 where job_id = any (select id from ringback.jobs where content = $1)",
            );
            let mut rows: Vec<String> = Vec::new();
            for query in [jobs, attempts] {
                rows.extend(
                    query
                        .bind(key)
                        .fetch_all(&self.database.pool)
                        .await
                        .unwrap(),
                );
            }
            story += &format!("{key} {:?}: {rows:#?}\n", entry.job);
        }
        story
    }
}

/// Sends notices until the faults are over; gives those whose sending was confirmed.
pub(super) async fn announce(url: String, world: Arc<World>) -> Vec<String> {
    let mut sent = Vec::new();
    let mut number = 0;
    while !world.is_over.load(Ordering::Relaxed) {
        number += 1;
        let text = format!("notice {number}");
        let mut notify = Program::start_at(&url, &["notify", &text]);
        if notify.ended().await.success() {
            sent.push(text);
        }
        pause(1_500).await;
    }
    sent
}

async fn pause(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
}
