//! Changing without stopping: every process is replaced under load, one after another, and nothing is lost.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use crate::ledger::book::Book;
use crate::ledger::{World, complete, sum, under_load};
use crate::support::{Program, TestDatabase, eventually};

/// How many processes of each kind there are.
const EACH: usize = 2;

/// The program as it is.
fn this() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_ringback"))
}

/// The program as it was; `script/previous` builds it, where the history has it.
fn previous() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/previous");
    if folder.join("absent").exists() {
        return None;
    }
    let program = folder.join("ringback");
    assert!(program.exists(), "run script/bootstrap --tests");
    Some(program)
}

/// A fleet, and the clients' world.
struct Rolling {
    database: TestDatabase,
    gateways: Vec<Program>,
    workers: Vec<Program>,
    world: Arc<World>,
}

impl Rolling {
    async fn of(program: &Path, database: TestDatabase) -> Self {
        let mut fleet = Self {
            database,
            gateways: Vec::new(),
            workers: Vec::new(),
            world: Arc::default(),
        };
        for _ in 0..EACH {
            fleet.gateways.push(fleet.gateway(program).await);
            fleet.workers.push(fleet.worker(program).await);
        }
        fleet.publish();
        fleet
    }

    async fn gateway(&self, program: &Path) -> Program {
        let gateway = self.start(program, &["serve", "--listen", "127.0.0.1:0"]);
        gateway.printed("serving").await;
        gateway
    }

    async fn worker(&self, program: &Path) -> Program {
        let worker = self.start(program, &["worker", "--delay-scale", "0.1"]);
        worker.printed("working").await;
        worker
    }

    fn start(&self, program: &Path, arguments: &[&str]) -> Program {
        let mut command = Command::new(program);
        Program::spawn(
            command
                .args(arguments)
                .env("DATABASE_URL", &self.database.url),
        )
    }

    fn publish(&self) {
        let addresses = self.gateways.iter().map(Program::address).collect();
        *self.world.addresses.lock().unwrap() = addresses;
    }

    /// Replaces every process: the new one is there before the old one is told to go.
    async fn replace_all(&mut self, program: &Path) {
        for number in 0..EACH {
            let gateway = self.gateway(program).await;
            let old = std::mem::replace(&mut self.gateways[number], gateway);
            self.publish();
            leave(old).await;
            let worker = self.worker(program).await;
            leave(std::mem::replace(&mut self.workers[number], worker)).await;
            self.goes_on().await;
        }
    }

    /// Waits until the clients have got some results of what they asked for after this.
    async fn goes_on(&self) {
        let done = "ringback.job_history where state = 'succeeded'";
        let before = self.database.count(done).await;
        eventually("work should go on", async || {
            self.database.count(done).await > before + 50
        })
        .await;
    }

    /// Keeps clients busy while `operator` does something, and checks that their books balance.
    async fn under_load(mut self, operator: impl AsyncFnOnce(&mut Self)) {
        let world = Arc::clone(&self.world);
        let url = self.database.url.clone();
        let operator = operator(&mut self);
        let (books, ()) = under_load(fastrand::u64(..), &url, &world, operator).await;
        self.balances(&books).await;
    }

    async fn balances(&self, books: &[Book]) {
        complete(books, &self.world);
        let stored = i64::try_from(sum(books, |book| book.done.len())).unwrap();
        assert!(stored > 200, "{stored} jobs");
        assert_eq!(self.database.count("ringback.job_history").await, stored);
        assert_eq!(self.database.count("ringback.job").await, 0);
        // Whoever is told to go ends what it has begun: nothing was done twice, or failed.
        let again = "ringback.job_history where attempt > 1 or state <> 'succeeded'";
        assert_eq!(self.database.count(again).await, 0);
    }
}

async fn leave(mut old: Program) {
    old.signal("TERM");
    assert!(old.ended().await.success(), "{}", old.output());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_process_is_replaced_under_load_and_nothing_is_lost_or_done_twice() {
    let fleet = Rolling::of(&this(), TestDatabase::new().await).await;
    fleet
        .under_load(async |fleet: &mut Rolling| {
            fleet.replace_all(&this()).await;
            fleet.replace_all(&this()).await;
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fleet_is_upgraded_from_the_previous_release_under_load_and_taken_back() {
    let Some(previous) = previous() else {
        eprintln!("not tested: the previous release is not in this checkout's history");
        return;
    };
    let database = TestDatabase::new().await;
    database.execute("drop schema ringback cascade").await;
    let migrate = async |program: &Path| {
        let mut command = Command::new(program);
        let migrate = command.arg("migrate").env("DATABASE_URL", &database.url);
        let mut migrate = Program::spawn(migrate);
        assert!(migrate.ended().await.success(), "{}", migrate.output());
    };
    let migrations = "ringback.migration";
    migrate(&previous).await;
    let before = database.count(migrations).await;
    let url = database.url.clone();
    let fleet = Rolling::of(&previous, database).await;
    fleet
        .under_load(async |fleet: &mut Rolling| {
            let mut command = Command::new(this());
            let mut migrate = Program::spawn(command.arg("migrate").env("DATABASE_URL", &url));
            assert!(migrate.ended().await.success(), "{}", migrate.output());
            assert!(fleet.database.count(migrations).await > before);
            // The previous release on the new schema: what runs, and what starts anew.
            fleet.goes_on().await;
            fleet.replace_all(&previous).await;
            // Both beside each other, and then the new one alone.
            fleet.replace_all(&this()).await;
            // It is taken back; the schema stays.
            fleet.replace_all(&previous).await;
        })
        .await;
}

#[tokio::test]
async fn a_migration_that_has_to_wait_for_somebody_lets_all_others_go_first() {
    let database = TestDatabase::new().await;
    // As if this one were new, and somebody read the table of jobs for long.
    database
        .execute("delete from ringback.migration where version = 22")
        .await;
    database
        .execute("alter table ringback.job drop column retry_first, drop column retry_longest")
        .await;
    let mut reader = database.pool.begin().await.unwrap();
    sqlx::query("select from ringback.job")
        .execute(&mut *reader)
        .await
        .unwrap();
    let mut command = Command::new(this());
    let mut migrate = Program::spawn(command.arg("migrate").env("DATABASE_URL", &database.url));
    migrate.printed("waiting for its end").await;
    // Not for longer than a moment is anybody held up behind it.
    database.knows("a").await;
    database.enqueue("'a', content => ''").await.unwrap();
    assert!(migrate.runs(), "it should be waiting still");
    reader.rollback().await.unwrap();
    assert!(migrate.ended().await.success(), "{}", migrate.output());
    let column =
        "information_schema.columns where table_name = 'job' and column_name = 'retry_first'";
    assert_eq!(database.count(column).await, 1);
}
