//! Starts of the private Postgres that are stopped, killed, or cannot succeed.

use std::process::{Command, Output};

use super::{lives_in, none_lives_in};
use crate::support::{DataDir, Program, eventually};

#[tokio::test]
async fn ctrl_c_while_the_server_starts_leaves_none_behind() {
    let folder = DataDir::new();
    let mut dev = Program::spawn(folder.command("dev").args(["--listen", "127.0.0.1:0"]));
    dev.printed("starting the private Postgres").await;
    dev.signal("INT");
    assert!(dev.ended().await.success(), "{}", dev.output());
    assert!(!dev.output().contains("is ready"), "{}", dev.output());
    none_lives_in(folder.path()).await;
}

#[tokio::test]
async fn a_verb_that_is_stopped_before_its_end_has_failed() {
    let folder = DataDir::new();
    let mut migrate = Program::spawn(&mut folder.command("migrate"));
    migrate.printed("making a private Postgres").await;
    migrate.signal("TERM");
    assert!(!migrate.ended().await.success(), "{}", migrate.output());
    none_lives_in(folder.path()).await;
}

#[tokio::test]
async fn whoever_waits_while_another_is_killed_as_it_starts_the_server_goes_on() {
    let folder = DataDir::new();
    let migrated = folder.command("migrate").output().unwrap();
    assert!(migrated.status.success(), "{migrated:?}");
    for turn in 0..8 {
        let mut first = Program::spawn(&mut folder.command("worker"));
        first.printed("starting the private Postgres").await;
        let mut second = Program::spawn(&mut folder.command("migrate"));
        // Somewhere between the first sign of the server and its readiness.
        tokio::time::sleep(std::time::Duration::from_millis(turn * 8)).await;
        first.kill();
        assert!(second.ended().await.success(), "{}", second.output());
        assert!(!lives_in(folder.path()), "{}", second.output());
    }
}

#[tokio::test]
async fn a_first_start_that_was_killed_is_begun_anew() {
    let folder = DataDir::new();
    let mut first = Program::spawn(&mut folder.command("migrate"));
    first.printed("making a private Postgres").await;
    first.kill();
    let mut second = Program::spawn(&mut folder.command("migrate"));
    assert!(second.ended().await.success(), "{}", second.output());
    eventually("nothing half made should stay", async || {
        let third = folder.command("migrate").output().unwrap();
        assert!(third.status.success(), "{third:?}");
        let made = std::fs::read_dir(folder.path()).unwrap().flatten();
        let mut names = made.map(|entry| entry.file_name().into_string().unwrap());
        !names.any(|name| name.starts_with("making-"))
    })
    .await;
    none_lives_in(folder.path()).await;
}

#[tokio::test]
async fn a_disk_without_room_is_named_and_does_no_lasting_harm() {
    let folder = DataDir::new();
    let migrate = folder.command("migrate");
    // No file may grow past a megabyte, and a part of the write-ahead log has sixteen.
    let limited = Command::new("sh")
        .args(["-c", "ulimit -f 2000; exec \"$0\" \"$@\""])
        .arg(migrate.get_program())
        .args(migrate.get_args())
        .env("DATABASE_URL", "")
        .output()
        .unwrap();
    assert!(!limited.status.success());
    let words = words(&limited);
    assert!(words.contains("cannot make a database in"), "{words}");
    assert!(words.contains("initdb failed"), "{words}");

    let again = folder.command("migrate").output().unwrap();
    assert!(again.status.success(), "{again:?}");
}

#[tokio::test]
async fn without_postgres_the_error_names_the_ways_out_and_where_it_looked() {
    let folder = DataDir::new();
    let nowhere = folder.path().join("bin");
    let output = folder
        .command("dev")
        .env("PG_BIN", &nowhere)
        .output()
        .unwrap();
    assert!(!output.status.success());
    let words = words(&output);
    let nowhere = nowhere.to_str().unwrap();
    for word in ["DATABASE_URL", "install", "PG_BIN", "initdb", nowhere] {
        assert!(words.contains(word), "{word}: {words}");
    }
}

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
