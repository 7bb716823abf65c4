//! What a task is, while two versions of a program that has it run side by side.

use crate::support::{Program, Scripts, TestDatabase, eventually};

/// A version of a program, told by how often a job of its task may fail.
fn version(attempts: u32) -> Scripts {
    Scripts::new(&format!(
        "[tasks.report]\ncommand = [\"cat\"]\nmax_attempts = {attempts}\n"
    ))
}

async fn is(database: &TestDatabase, attempts: u32) {
    let row = format!("ringback.task where name = 'report' and max_attempts = {attempts}");
    let what = format!("the task should be that of version {attempts}");
    eventually(&what, async || database.count(&row).await == 1).await;
}

async fn leaves(mut worker: Program) {
    worker.signal("TERM");
    assert!(worker.ended().await.success(), "{}", worker.output());
}

#[tokio::test]
async fn a_task_is_what_the_living_worker_that_started_last_says() {
    let database = TestDatabase::new().await;
    let (old, new) = (version(3), version(4));
    let first = old.worker(&database, &[]).await;
    is(&database, 3).await;
    let second = new.worker(&database, &[]).await;
    is(&database, 4).await;
    // One of the old version starts once more in the middle of the deployment, and is stopped like the others.
    let late = old.worker(&database, &[]).await;
    is(&database, 3).await;
    leaves(late).await;
    is(&database, 4).await;
    // A version that does not say who says it, as before there was a name for that.
    database
        .execute("update ringback.task set max_attempts = 7 where name = 'report'")
        .await;
    is(&database, 4).await;
    // The new version is taken back.
    leaves(second).await;
    is(&database, 3).await;
    leaves(first).await;
}

#[tokio::test]
async fn a_gateway_says_what_a_task_is_where_no_worker_does() {
    let database = TestDatabase::new().await;
    let (old, new) = (version(3), version(4));
    let _alone = old.gateway(&database).await;
    is(&database, 3).await;
    let worker = new.worker(&database, &[]).await;
    is(&database, 4).await;
    let _late = old.gateway(&database).await;
    assert_eq!(
        database
            .count("ringback.task where name = 'report' and max_attempts = 4")
            .await,
        1
    );
    leaves(worker).await;
    let _alone = old.gateway(&database).await;
    is(&database, 3).await;
}
