//! The ledger: many clients with sessions submit, are cut off, come back and acknowledge, while everything around them
//! is killed, frozen and restarted by a seeded schedule. At the end the books must balance.
//!
//! `RINGBACK_FAULT_SECONDS` says for how long (30 by default), `RINGBACK_FAULT_SEED` which schedule.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::support::{Program, TestDatabase};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

const CLIENTS: u64 = 12;

/// How many of its jobs a client waits for at once.
const IN_FLIGHT: usize = 10;

/// How long a socket is kept once the faults are over, so that a client also tries elsewhere.
const TURN: Duration = Duration::from_secs(10);

/// How long everything may take to arrive once the faults are over.
const SETTLING: Duration = Duration::from_secs(120);

/// What everybody can see: where the gateways are, and whether the faults are over.
#[derive(Default)]
struct World {
    addresses: Mutex<Vec<String>>,
    is_over: AtomicBool,
}

/// One client's book.
#[derive(Default)]
struct Book {
    session: Option<(String, String)>,
    /// By key: the job, once it was acknowledged, and since when.
    open: HashMap<String, Entry>,
    /// By key: the job whose result came.
    done: HashMap<String, String>,
    shown: HashSet<String>,
    to_acknowledge: Vec<String>,
    submitted: usize,
    repeats: usize,
    longest: Duration,
    complaints: Vec<String>,
}

#[derive(Default)]
struct Entry {
    job: Option<String>,
    since: Option<Instant>,
    sent: bool,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_any_schedule_of_faults_nothing_acknowledged_is_lost_doubled_or_misrouted() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let seed = number("RINGBACK_FAULT_SEED").unwrap_or_else(|| fastrand::u64(..));
    let time = Duration::from_secs(number("RINGBACK_FAULT_SECONDS").unwrap_or(30));
    let mut fleet = Fleet::new().await;
    let world = Arc::clone(&fleet.world);
    let clients = (0..CLIENTS).map(|client| keep_book(client, seed, &world));
    let clients = futures_util::future::join_all(clients);
    let (books, faults) = tokio::join!(clients, fleet.suffer(seed, time));

    let sum = |count: fn(&Book) -> usize| books.iter().map(count).sum::<usize>();
    let lost = sum(|book| {
        book.open
            .values()
            .filter(|entry| entry.job.is_some())
            .count()
    });
    let longest = books
        .iter()
        .map(|book| book.longest)
        .max()
        .unwrap_or_default();
    let ledger = format!(
        "seed {seed}, {} faults: submitted {}, results {}, repeats {}, lost {lost}, longest {longest:.1?}\n{}",
        faults.len(),
        sum(|book| book.submitted),
        sum(|book| book.done.len()),
        sum(|book| book.repeats),
        faults.join("\n")
    );
    let complaints: Vec<&String> = books.iter().flat_map(|book| &book.complaints).collect();
    assert!(complaints.is_empty(), "{complaints:#?}\n{ledger}");
    assert!(
        sum(|book| book.open.len()) == 0,
        "{}\n{ledger}",
        fleet.story(&books).await
    );
    assert!(sum(|book| book.submitted) > 100, "{ledger}");
    println!("{ledger}");

    // Each key made one job, and each job ended once.
    let database = &fleet.database;
    let stored = i64::try_from(sum(|book| book.done.len())).unwrap();
    assert_eq!(
        database.count("ringback.job_history").await,
        stored,
        "{ledger}"
    );
    assert_eq!(database.count("ringback.job").await, 0, "{ledger}");
}

/// The processes, and what becomes of them.
struct Fleet {
    database: TestDatabase,
    gateways: Vec<Program>,
    workers: Vec<Program>,
    world: Arc<World>,
}

impl Fleet {
    async fn new() -> Self {
        let mut fleet = Self {
            database: TestDatabase::on_its_own_server().await,
            gateways: Vec::new(),
            workers: Vec::new(),
            world: Arc::default(),
        };
        for _ in 0..2 {
            fleet
                .gateways
                .push(Program::serve(&fleet.database, &[]).await);
            fleet.workers.push(fleet.worker().await);
        }
        fleet.publish();
        fleet
    }

    async fn worker(&self) -> Program {
        let worker = Program::start(&self.database, &["worker", "--delay-scale", "0.05"]);
        worker.printed("working").await;
        worker
    }

    fn publish(&self) {
        let addresses = self.gateways.iter().map(Program::address).collect();
        *self.world.addresses.lock().unwrap() = addresses;
    }

    /// One fault after another, until the time is over; gives what happened, and when.
    async fn suffer(&mut self, seed: u64, time: Duration) -> Vec<String> {
        let mut chance = fastrand::Rng::with_seed(seed);
        let began = Instant::now();
        let mut faults = Vec::new();
        while began.elapsed() < time {
            pause(chance.u64(200..1_500)).await;
            let at = began.elapsed();
            let fault = self.one(&mut chance).await;
            faults.push(format!("{at:>8.1?} {fault}"));
        }
        self.world.is_over.store(true, Ordering::Relaxed);
        faults
    }

    async fn one(&mut self, chance: &mut fastrand::Rng) -> String {
        let which = chance.usize(0..2);
        match chance.u32(0..10) {
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
                self.gateways[which] = Program::serve(&self.database, &[]).await;
                self.publish();
                format!("gateway {which} was killed")
            }
            4 => {
                for gateway in 0..2 {
                    self.gateways[gateway].signal("TERM");
                    assert!(self.gateways[gateway].ended().await.success());
                    self.gateways[gateway] = Program::serve(&self.database, &[]).await;
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
                let cut = "select count(pg_terminate_backend(pid)) from pg_stat_activity
                    where application_name like 'ringback%' and pid <> pg_backend_pid()";
                // Of no use while the database is coming back, and no harm.
                let _ = sqlx::query(cut).execute(&self.database.pool).await;
                "every connection to the database was cut".to_owned()
            }
            _ => {
                self.hint("select").await;
                let time = chance.u64(500..4_000);
                pause(time).await;
                self.hint("select pg_notify(channel, payload)").await;
                format!("hints were lost for {time} ms")
            }
        }
    }

    /// Replaces what a hint does.
    async fn hint(&self, body: &str) {
        let body = format!(
            "create or replace function ringback.hint(channel text, payload text) returns void
             language sql volatile as $$ {body} $$"
        );
        // The first connection may be one that an earlier fault has cut.
        crate::support::eventually("the function should be replaced", async || {
            let replacing = sqlx::query(sqlx::AssertSqlSafe(body.clone()));
            replacing.execute(&self.database.pool).await.is_ok()
        })
        .await;
    }

    /// What the database knows of the jobs that somebody still waits for.
    async fn story(&self, books: &[Book]) -> String {
        let open = books.iter().flat_map(|book| &book.open);
        let mut story = String::new();
        for (key, entry) in open {
            let rows: Vec<String> =
                sqlx::query_scalar("select jobs::text from ringback.jobs where content = $1")
                    .bind(key)
                    .fetch_all(&self.database.pool)
                    .await
                    .unwrap();
            story += &format!("{key} {:?}: {rows:?}\n", entry.job);
        }
        story
    }
}

async fn pause(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
}

/// Submits, is cut off, comes back and acknowledges until the faults are over; then until every result is there.
async fn keep_book(client: u64, seed: u64, world: &World) -> Book {
    let mut chance = fastrand::Rng::with_seed(seed ^ (client + 1));
    let mut book = Book::default();
    let mut give_up: Option<Instant> = None;
    loop {
        let is_over = world.is_over.load(Ordering::Relaxed);
        if is_over && book.open.is_empty() {
            return book;
        }
        if is_over && Instant::now() > *give_up.get_or_insert_with(|| Instant::now() + SETTLING) {
            return book;
        }
        let address = {
            let addresses = world.addresses.lock().unwrap();
            addresses[chance.usize(0..addresses.len())].clone()
        };
        let url = format!("ws://{address}/ws/system/");
        let connecting = tokio::time::timeout(Duration::from_secs(2), connect_async(url));
        if let Ok(Ok((mut socket, _))) = connecting.await {
            // However it ends, the book is kept, and the client comes back.
            let _ = book.talk(&mut socket, client, &mut chance, world).await;
        }
        pause(chance.u64(10..100)).await;
    }
}

impl Book {
    /// One socket's life. Nothing is answered where it is cut.
    async fn talk(
        &mut self,
        socket: &mut Socket,
        client: u64,
        chance: &mut fastrand::Rng,
        world: &World,
    ) -> Option<()> {
        let secret = self.session.as_ref();
        let secret = secret.map(|(session, token)| json!({"session": session, "token": token}));
        say(socket, &json!({"action": "resume", "payload": secret})).await?;
        for entry in self.open.values_mut() {
            entry.sent = false;
        }
        let mut resumed = false;
        let began = Instant::now();
        loop {
            let is_over = world.is_over.load(Ordering::Relaxed);
            if is_over && began.elapsed() > TURN {
                return None;
            }
            if resumed {
                if !is_over && self.open.len() < IN_FLIGHT {
                    let key = format!("C{client}-{}", self.submitted);
                    self.submitted += 1;
                    self.open.insert(key, Entry::default());
                }
                for (key, entry) in &mut self.open {
                    if entry.job.is_none() && !entry.sent {
                        entry.sent = true;
                        say(socket, &submission(key)).await?;
                    }
                }
                if !self.to_acknowledge.is_empty() && chance.u32(0..4) == 0 {
                    let ids = std::mem::take(&mut self.to_acknowledge);
                    say(socket, &json!({"action": "ack", "payload": {"ids": ids}})).await?;
                }
                if chance.u32(0..300) == 0 {
                    // Without a word: the other side finds out by itself.
                    return None;
                }
                if is_over && self.open.is_empty() {
                    return Some(());
                }
            }
            match tokio::time::timeout(Duration::from_millis(100), socket.next()).await {
                Ok(Some(Ok(Frame::Text(text)))) => {
                    let message: Value = serde_json::from_str(&text).unwrap();
                    resumed |= self.hear(&message)?;
                }
                Ok(Some(Ok(Frame::Ping(_) | Frame::Pong(_)))) | Err(_) => {}
                Ok(_) => return None,
            }
        }
    }

    /// Notes a message; gives whether the session is there, or nothing where the client should try elsewhere.
    fn hear(&mut self, message: &Value) -> Option<bool> {
        let payload = &message["payload"];
        match message["action"].as_str().unwrap() {
            "resumed" => {
                let text = |name: &str| payload[name].as_str().unwrap().to_owned();
                if self.session.is_some() && payload["recovered"] == json!(false) {
                    self.complaints
                        .push(format!("a session was lost: {message}"));
                }
                self.session = Some((text("session"), text("token")));
                return Some(true);
            }
            "job_queued" => {
                let key = message["ref"].as_str().unwrap();
                let job = message["job_id"].as_str().unwrap();
                if let Some(entry) = self.open.get_mut(key) {
                    let before = entry.job.replace(job.to_owned());
                    if before.is_some_and(|before| before != job) {
                        self.complaints
                            .push(format!("{key} became two jobs: {message}"));
                    }
                    entry.since.get_or_insert_with(Instant::now);
                }
            }
            "job_result" => self.result(message),
            "error" => {
                let kind = payload[0]["type"].as_str().unwrap();
                if let Some(entry) = message["ref"]
                    .as_str()
                    .and_then(|key| self.open.get_mut(key))
                {
                    entry.sent = false;
                }
                if !["busy", "unavailable"].contains(&kind) {
                    self.complaints.push(message.to_string());
                }
                return None;
            }
            _ => self.complaints.push(format!("unexpected: {message}")),
        }
        Some(false)
    }

    fn result(&mut self, message: &Value) {
        let id = message["id"].as_str().unwrap().to_owned();
        let job = message["job_id"].as_str().unwrap();
        let text = message["payload"].as_str().unwrap();
        let key = text.trim_start_matches("✅ Processed: ").to_owned();
        self.to_acknowledge.push(id.clone());
        if !self.shown.insert(id) {
            self.repeats += 1;
            return;
        }
        match self.open.remove(&key) {
            Some(entry) => {
                if entry.job.is_some_and(|known| known != job) {
                    self.complaints
                        .push(format!("the result of another job: {message}"));
                }
                let waited = entry.since.map(|since| since.elapsed()).unwrap_or_default();
                self.longest = self.longest.max(waited);
                self.done.insert(key, job.to_owned());
            }
            None => self
                .complaints
                .push(format!("not asked for, or twice: {message}")),
        }
    }
}

fn submission(key: &str) -> Value {
    json!({
        "action": "system_message",
        "ref": key,
        "payload": {"task_type": "default", "content": key, "idempotency_key": key},
    })
}

async fn say(socket: &mut Socket, message: &Value) -> Option<()> {
    let sending = socket.send(Frame::text(message.to_string()));
    tokio::time::timeout(Duration::from_secs(5), sending)
        .await
        .ok()?
        .ok()
}
