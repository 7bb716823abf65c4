//! Who writes them: one after another, several at once, and whoever cannot.

use super::*;

#[tokio::test]
async fn whoever_is_killed_while_it_writes_leaves_a_whole_file_to_the_next() {
    let database = TestDatabase::new().await;
    database.past(40, 15_000).await;
    // So much that it takes a while.
    database
        .execute("update ringback.job_history set result = to_jsonb(repeat(md5(id::text), 200))")
        .await;
    let copy = database.copy_of("job_history").await;
    let day = day(&database, 40).await;
    let name = format!("job_history_{day}.csv");
    let folder = TempDir::new().unwrap();
    let mut worker = exporting(&database, folder.path()).await;
    let begun = |file: &String| file.starts_with(&format!(".{name}."));
    eventually("it should be writing", async || {
        files(folder.path()).iter().any(begun)
    })
    .await;
    worker.kill();
    assert!(
        files(folder.path()).iter().any(begun),
        "it was killed too late"
    );
    assert!(!folder.path().join(&name).exists());
    assert_eq!(database.count("ringback.job_history").await, 15_000);

    // The next one is killed when the file has its name, and the partition is still there.
    database.waits_once_it_has_its_name("job_history", 40).await;
    let mut worker = exporting(&database, folder.path()).await;
    eventually("the file should be whole", async || {
        folder.path().join(&name).exists()
    })
    .await;
    worker.kill();
    database.waits_no_more().await;
    assert_eq!(database.count("ringback.job_history").await, 15_000);

    let worker = exporting(&database, folder.path()).await;
    database.is_gone(40).await;
    let left = files(folder.path());
    let of_history = left.iter().filter(|file| file.contains("job_history"));
    assert_eq!(of_history.collect::<Vec<_>>(), [&name]);
    let rows = rows(&database, &copy).await;
    assert_eq!(parsed(&read(folder.path(), &name)), rows);
    let dropped = format!("dropped an expired partition partition=job_history_{day}");
    assert_eq!(worker.output().matches(&dropped).count(), 1);
}

#[tokio::test]
async fn whoever_goes_on_in_another_folder_writes_over_nothing_that_is_there() {
    let database = TestDatabase::new().await;
    database.past(40, 30).await;
    let copy = database.copy_of("job_history").await;
    let name = format!("job_history_{}.csv", day(&database, 40).await);
    let (first, second) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    database.waits_once_it_has_its_name("job_history", 40).await;
    let mut worker = exporting(&database, first.path()).await;
    eventually("the file should be whole", async || {
        first.path().join(&name).exists()
    })
    .await;
    worker.kill();
    database.waits_no_more().await;

    // The name that was chosen for the one folder is that of another file in the other.
    std::fs::write(second.path().join(&name), "somebody else's").unwrap();
    database.expires_to(second.path()).await;
    database.is_gone(40).await;
    let there = String::from_utf8(read(second.path(), &name)).unwrap();
    assert_eq!(there, "somebody else's");
    let rows = rows(&database, &copy).await;
    let own = name.replace(".csv", "_2.csv");
    assert_eq!(parsed(&read(second.path(), &own)), rows);
    assert_eq!(parsed(&read(first.path(), &name)), rows);
}

#[tokio::test]
async fn samples_are_taken_while_a_file_is_being_written() {
    let database = TestDatabase::new().await;
    database.past(40, 30).await;
    let folder = TempDir::new().unwrap();
    database.waits_once_it_has_its_name("job_history", 40).await;
    let _worker = exporting(&database, folder.path()).await;
    let name = format!("job_history_{}.csv", day(&database, 40).await);
    eventually("the file should be there", async || {
        folder.path().join(&name).exists()
    })
    .await;
    database.execute("delete from ringback.sample").await;
    eventually("a sample should be taken", async || {
        database.count("ringback.sample").await > 0
    })
    .await;
    assert_eq!(database.count("ringback.job_history").await, 30);
    database.waits_no_more().await;
}

#[tokio::test]
async fn without_a_folder_to_write_to_nothing_goes_and_that_is_said() {
    let database = TestDatabase::new().await;
    database.past(40, 30).await;
    database.past(41, 30).await;
    database.keeps_one_of(41).await;
    let folder = TempDir::new().unwrap();
    let missing = folder.path().join("missing");
    let worker = exporting(&database, &missing).await;
    let said = worker.printed("could not export the history").await;
    assert!(said.contains(missing.to_str().unwrap()), "{said}");
    assert!(said.contains("RINGBACK_EXPORT_HISTORY"), "{said}");
    drop(worker);
    assert_eq!(database.count("ringback.job_history").await, 60);
    assert_eq!(database.count("ringback.job_event").await, 20);

    // A file with the name of what is to be written is nobody's to overwrite.
    std::fs::create_dir(&missing).unwrap();
    let taken = missing.join(format!("job_history_{}.csv", day(&database, 40).await));
    std::fs::write(&taken, "somebody else's").unwrap();
    let _worker = exporting(&database, &missing).await;
    database.is_gone(40).await;
    assert_eq!(std::fs::read(&taken).unwrap(), b"somebody else's");
    let own = format!("job_history_{}_2.csv", day(&database, 40).await);
    assert_eq!(parsed(&read(&missing, &own)).len(), 30);
}

#[tokio::test]
async fn many_that_export_at_once_write_each_row_once_and_those_that_do_not_let_nothing_go() {
    let database = TestDatabase::new().await;
    let folder = TempDir::new().unwrap();
    let first = exporting(&database, folder.path()).await;
    eventually("it should say that it exports", async || {
        database.count("ringback.exporter").await == 1
    })
    .await;
    drop(first);
    for days_ago in [40, 41, 42] {
        database.past(days_ago, 300).await;
    }
    database.keeps_one_of(41).await;
    let copy = database.copy_of("job_history").await;

    // It has looked when it has let go of what is next to it.
    database
        .execute("update ringback.exporter set seen_at = now() - interval '2 d'")
        .await;
    let without = Program::worker(&database, &[]).await;
    without.printed("delete from ringback.exporter").await;
    assert_eq!(database.count("ringback.job_history").await, 900);

    let workers = tokio::join!(
        exporting(&database, folder.path()),
        exporting(&database, folder.path()),
        exporting(&database, folder.path()),
    );
    let where_rows_are = [
        "job_history",
        "job_attempt",
        "job_event",
        "expired_history",
        "expired_attempt",
        "expired_event",
        "export_file",
    ];
    eventually("all should go", async || {
        let mut left = 0;
        for table in where_rows_are {
            left += database.count(&format!("ringback.{table}")).await;
        }
        left == 0
    })
    .await;
    let left = files(folder.path());
    let of_history = left.iter().filter(|file| file.starts_with("job_history"));
    let mut all: Vec<Row> = of_history
        .flat_map(|file| parsed(&read(folder.path(), file)))
        .collect();
    all.sort();
    assert_eq!(all, rows(&database, &copy).await);

    // Who has given it up lets go again.
    database.past(43, 30).await;
    drop((workers, without));
    // What they have begun may still be done after their end, such as saying that they export.
    let expiring = "pg_stat_activity
        where datname = current_database() and application_name = 'ringback expiry'";
    eventually("their connections should end", async || {
        database.count(expiring).await == 0
    })
    .await;
    database.execute("delete from ringback.exporter").await;
    let _without = Program::worker(&database, &[]).await;
    database.is_gone(43).await;
    assert_eq!(files(folder.path()), left);
}
