//! A gateway that is killed, and its jobs.

use std::collections::HashSet;

use uuid::Uuid;

use crate::support::{Client, Program, TestDatabase, eventually};

#[tokio::test]
async fn jobs_outlive_their_gateway() {
    let database = TestDatabase::new().await;
    let _worker = Program::unruly(&database).await;
    let mut gateway = Program::serve(&database, &[]).await;
    let mut client = Client::connect(&gateway).await;
    for number in 0..10 {
        client.ask("hold", if number < 5 { "2" } else { "0" }).await;
    }
    let mut jobs = HashSet::new();
    while jobs.len() < 10 {
        let message = client.next().await;
        // Some may be over by then.
        if message.action() == "job_queued" {
            jobs.insert(message.job_id());
        }
    }
    gateway.kill();
    eventually("they should finish", async || {
        let rows: Vec<Uuid> =
            sqlx::query_scalar("select id from ringback.jobs where state = 'succeeded'")
                .fetch_all(&database.pool)
                .await
                .unwrap();
        rows.iter().map(Uuid::to_string).collect::<HashSet<_>>() == jobs
    })
    .await;
}
