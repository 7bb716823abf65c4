//! Claims while somebody holds an old snapshot, so that nothing of what passes can be cleared away.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use ringback::bench::queue::{BATCH, TASK, done, store};
use ringback::ids::{JobIds, WorkerId};
use ringback::postgres::Database;
use ringback::queue::claim::{Want, claim};
use ringback::queue::finish::finish;
use ringback::queue::{Cursor, Ended, Try};
use sqlx::Executor;

/// How long claims of 500 take.
pub(crate) struct Claims {
    /// Half of the first hundred less than this,
    pub(crate) fresh: Duration,
    /// and half of the last hundred,
    pub(crate) late: Duration,
    /// and one from the beginning after them.
    pub(crate) whole: Duration,
}

/// Lets so many jobs pass.
pub(crate) async fn run(database: &Database, passed: usize) -> Claims {
    let mut old = database.pool().begin().await.unwrap();
    old.execute("set transaction isolation level repeatable read")
        .await
        .unwrap();
    old.execute("set idle_in_transaction_session_timeout = 0")
        .await
        .unwrap();
    old.execute("select count(*) from ringback.job")
        .await
        .unwrap();
    let mut link = database.link("bench");
    let mut ids = JobIds::default();
    let cursor = Mutex::new(Cursor::new(["default".to_owned()]));
    let tasks = [TASK.to_owned()];
    let mut times = Vec::new();
    for round in 0..=passed / BATCH {
        store(&mut link, &mut ids, BATCH).await.unwrap();
        if round == passed / BATCH {
            cursor.lock().unwrap().rewind();
        }
        let connection = link.connected().await.unwrap();
        let started = Instant::now();
        let want = Want::any(WorkerId::random(), &tasks, BATCH);
        let claimed = claim(connection, &cursor, &want).await.unwrap().jobs;
        times.push(started.elapsed());
        let ended: Vec<Ended> = claimed.iter().map(done).collect();
        finish(connection, &ended, Try::FIRST).await.unwrap();
    }
    old.rollback().await.unwrap();
    let whole = times.pop().unwrap();
    let half = |times: &[Duration]| {
        let mut times = times.to_vec();
        times.sort();
        times[times.len() / 2]
    };
    let part = times.len().min(100);
    Claims {
        fresh: half(&times[..part]),
        late: half(&times[times.len() - part..]),
        whole,
    }
}
