//! The ledger: many clients with sessions submit, are cut off, come back and acknowledge, while everything around them
//! is killed, frozen, cut off and restarted by a seeded schedule. At the end the books must balance.
//!
//! `RINGBACK_FAULT_SECONDS` says for how long (30 by default), `RINGBACK_FAULT_SEED` which schedule.

pub(crate) mod book;
mod fleet;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::support::eventually;
use book::{Book, Complaint, keep_book};
use fleet::{Fleet, announce};

/// How many clients there are.
pub(crate) const CLIENTS: usize = 12;

/// What everybody can see.
pub(crate) struct World {
    began: Instant,
    /// Where the gateways are.
    pub(crate) addresses: Mutex<Vec<String>>,
    /// How many clients have a session.
    pub(crate) sessions: AtomicUsize,
    /// Whether the faults are over.
    pub(crate) is_over: AtomicBool,
    /// The notices that were sent, once there are no more.
    announced: Mutex<Option<Vec<String>>>,
    /// Sockets that clients have left without a word.
    forgotten: Mutex<Vec<WebSocketStream<MaybeTlsStream<TcpStream>>>>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_any_schedule_of_faults_nothing_acknowledged_is_lost_doubled_or_misrouted() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let seed = number("RINGBACK_FAULT_SEED").unwrap_or_else(|| fastrand::u64(..));
    let time = Duration::from_secs(number("RINGBACK_FAULT_SECONDS").unwrap_or(30));
    let mut fleet = Fleet::new().await;
    let world = Arc::clone(&fleet.world);
    let url = fleet.database.url.clone();
    let faults = fleet.suffer(seed, time);
    let (books, faults) = under_load(seed, &url, &world, faults).await;

    let ledger = ledger(seed, &faults, &books, &world);
    let complaints: Vec<_> = books.iter().flat_map(|book| &book.complaints).collect();
    assert!(complaints.is_empty(), "{complaints:#?}\n{ledger}");
    let open = sum(&books, |book| book.open.len());
    assert!(open == 0, "{}\n{ledger}", fleet.story(&books).await);
    assert!(missing(&books, &world) == 0, "{ledger}");
    assert!(sum(&books, |book| book.submitted) > 100, "{ledger}");
    println!("{ledger}");

    // Each key made one job, and each job ended once.
    let database = &fleet.database;
    let stored = i64::try_from(sum(&books, |book| book.done.len())).unwrap();
    let recorded = database.count("ringback.job_history").await;
    assert_eq!(recorded, stored, "{ledger}");
    assert_eq!(database.count("ringback.job").await, 0, "{ledger}");
}

/// Keeps clients busy, and sends them notices, while somebody does something; gives their books once everything that was
/// asked for should be there, and what that somebody says.
pub(crate) async fn under_load<T>(
    seed: u64,
    url: &str,
    world: &Arc<World>,
    operator: impl Future<Output = T>,
) -> (Vec<Book>, T) {
    let clients = (0..CLIENTS as u64).map(|client| keep_book(client, seed, world));
    let clients = futures_util::future::join_all(clients);
    let operator = async {
        // Whoever has none yet has no right to a notice.
        eventually("every client should have a session", async || {
            world.sessions.load(Ordering::Relaxed) == CLIENTS
        })
        .await;
        let announcing = announce(url.to_owned(), Arc::clone(world));
        let operating = async {
            let said = operator.await;
            world.is_over.store(true, Ordering::Relaxed);
            said
        };
        let (announced, said) = tokio::join!(announcing, operating);
        world.end(announced);
        said
    };
    tokio::join!(clients, operator)
}

fn ledger(seed: u64, faults: &[String], books: &[Book], world: &World) -> String {
    let open = books.iter().flat_map(|book| book.open.values());
    let lost = open.filter(|entry| entry.job.is_some()).count();
    let complaints = |which: Complaint| {
        let all = books.iter().flat_map(|book| &book.complaints);
        all.filter(|(complaint, _)| *complaint == which).count()
    };
    let longest = books
        .iter()
        .map(|book| &book.longest)
        .max_by(|a, b| a.partial_cmp(b).unwrap())
        .unwrap();
    let results = sum(books, |book| book.done.len());
    format!(
        "seed {seed}, {CLIENTS} clients, {} faults in {:.0?}\n\
         submitted {}, acknowledged {}, results {results}, lost {lost}\n\
         notices shown {}, missing {}\n\
         duplicates shown {}, misrouted {}, sessions lost {}\n\
         repeats with an id that was known {}\n\
         longest wait from acknowledgement to result {longest}\n{}",
        faults.len(),
        world.began.elapsed(),
        sum(books, |book| book.submitted),
        results + lost,
        sum(books, |book| book.notices.len()),
        missing(books, world),
        complaints(Complaint::ShownTwice),
        complaints(Complaint::Misrouted),
        complaints(Complaint::SessionLost),
        sum(books, |book| book.repeats),
        faults.join("\n")
    )
}

/// Makes sure that nobody has lost anything, nor was shown anything twice.
pub(crate) fn complete(books: &[Book], world: &World) {
    let complaints: Vec<_> = books.iter().flat_map(|book| &book.complaints).collect();
    assert!(complaints.is_empty(), "{complaints:#?}");
    let open: Vec<_> = books.iter().flat_map(|book| book.open.keys()).collect();
    assert!(open.is_empty(), "{open:?}");
    assert_eq!(missing(books, world), 0, "notices");
}

/// How many notices clients have not seen.
fn missing(books: &[Book], world: &World) -> usize {
    let announced = world.announced.lock().unwrap();
    let announced = announced.as_ref().expect("the operator has ended");
    let unseen = |book: &Book| {
        let unseen = announced
            .iter()
            .filter(|text| !book.notices.contains(*text));
        unseen.count()
    };
    books.iter().map(unseen).sum()
}

pub(crate) fn sum(books: &[Book], count: fn(&Book) -> usize) -> usize {
    books.iter().map(count).sum()
}

impl World {
    /// From now on nothing more is asked for; everything that was, and these notices, is still waited for.
    pub(crate) fn end(&self, announced: Vec<String>) {
        self.is_over.store(true, Ordering::Relaxed);
        *self.announced.lock().unwrap() = Some(announced);
    }
}

impl Default for World {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            addresses: Mutex::default(),
            sessions: AtomicUsize::default(),
            is_over: AtomicBool::default(),
            announced: Mutex::default(),
            forgotten: Mutex::default(),
        }
    }
}
