//! The private Postgres under real processes: made, shared, killed, found again.

mod starts;

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use sqlx::PgPool;

use crate::support::{Client, DataDir, Program, eventually, postmaster, send};

/// The address in a URL of Postgres.
fn address(url: &str) -> &str {
    let (_, after) = url.rsplit_once('@').unwrap();
    after.split_once('/').unwrap().0
}

fn is_open(url: &str) -> bool {
    std::net::TcpStream::connect(address(url)).is_ok()
}

/// How often the programs have printed a text, together.
fn times(programs: &[Program], text: &str) -> usize {
    let count = |program: &Program| program.output().matches(text).count();
    programs.iter().map(count).sum()
}

async fn stop(mut programs: Vec<Program>) {
    for program in &mut programs {
        program.signal("TERM");
    }
    for program in &mut programs {
        assert!(program.ended().await.success(), "{}", program.output());
    }
}

/// A gateway and a worker, two processes, on one private Postgres.
async fn pair(folder: &DataDir) -> Vec<Program> {
    let gateway = Program::spawn(folder.command("serve").args(["--listen", "127.0.0.1:0"]));
    let worker = Program::spawn(folder.command("worker").args(["--delay-scale", "0"]));
    gateway.printed("serving").await;
    worker.printed("working").await;
    vec![gateway, worker]
}

#[tokio::test]
async fn four_processes_that_race_on_an_empty_folder_make_one_database() {
    let folder = DataDir::new();
    let start = |_| Program::spawn(&mut folder.command("worker"));
    let workers: Vec<Program> = (0..4).map(start).collect();
    for worker in &workers {
        worker.printed("working").await;
    }
    assert_eq!(times(&workers, "making a private Postgres"), 1);
    assert_eq!(times(&workers, "starting the private Postgres"), 1);

    let url = folder.url();
    let pool = PgPool::connect(&url).await.unwrap();
    eventually("all four should be known in it", async || {
        let alive: i64 = sqlx::query_scalar("select count(*) from ringback.worker")
            .fetch_one(&pool)
            .await
            .unwrap();
        alive == 4
    })
    .await;
    pool.close().await;
    stop(workers).await;
    assert!(
        !is_open(&url),
        "the last one to leave should have stopped it"
    );
}

#[tokio::test]
async fn a_server_that_dies_under_its_users_is_started_again_and_nothing_is_lost() {
    let folder = DataDir::new();
    let programs = pair(&folder).await;
    let url = folder.url();
    let mut client = Client::connect(&programs[0]).await;
    let mut expected = std::collections::HashMap::new();
    for death in 0..3 {
        let pool = PgPool::connect(&url).await.unwrap();
        send("KILL", &postmaster(&pool).await);
        for job in 0..20 {
            let content = format!("{death} {job}");
            let id = client
                .submit_amid_results("default", &content, &mut expected)
                .await;
            expected.insert(id, format!("✅ Processed: {content}"));
        }
        client.collect(&mut expected).await;
    }
    assert_eq!(times(&programs, "starting the private Postgres"), 4);
    assert_eq!(folder.url(), url);
    stop(programs).await;
    assert!(!is_open(&url));
}

#[tokio::test]
async fn a_server_whose_users_were_killed_is_adopted_by_the_next() {
    let folder = DataDir::new();
    let mut programs = pair(&folder).await;
    let url = folder.url();
    let pool = PgPool::connect(&url).await.unwrap();
    let server = postmaster(&pool).await;
    for program in &mut programs {
        program.kill();
    }
    let programs = pair(&folder).await;
    assert_eq!(times(&programs, "starting the private Postgres"), 0);
    assert_eq!(postmaster(&pool).await, server);
    pool.close().await;
    stop(programs).await;
    assert!(!is_open(&url));
}

#[tokio::test]
async fn a_server_that_comes_back_on_another_port_is_found_by_everyone() {
    let folder = DataDir::new();
    let programs = pair(&folder).await;
    let url = folder.url();
    let pool = PgPool::connect(&url).await.unwrap();
    let server = postmaster(&pool).await;
    for program in &programs {
        program.signal("STOP");
    }
    send("KILL", &server);
    // Somebody is quicker than we are.
    let mut stranger = None;
    eventually("the port should be free for a moment", async || {
        stranger = TcpListener::bind(address(&url)).ok();
        stranger.is_some()
    })
    .await;
    let stranger = stranger.unwrap();
    stranger.set_nonblocking(true).unwrap();
    let stranger = tokio::net::TcpListener::from_std(stranger).unwrap();
    let mut refusing = tokio::task::JoinSet::new();
    refusing.spawn(async move {
        while let Ok((connection, _)) = stranger.accept().await {
            drop(connection);
        }
    });
    for program in &programs {
        program.signal("CONT");
    }

    let mut client = Client::connect(&programs[0]).await;
    client.submit("default", "a").await;
    assert_eq!(client.next().await.text(), "✅ Processed: A");
    let now = folder.url();
    assert_ne!(now, url);
    stop(programs).await;
    assert!(!is_open(&now));
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_migration_that_waits() {
    let folder = DataDir::new();
    let first = Program::spawn(&mut folder.command("worker"));
    first.printed("working").await;
    let pool = PgPool::connect(&folder.url()).await.unwrap();
    let mut blocking = pool.begin().await.unwrap();
    sqlx::query("lock table ringback.migration in access exclusive mode")
        .execute(&mut *blocking)
        .await
        .unwrap();
    let waiting = async || -> Vec<i32> {
        let waiting = "select pid from pg_stat_activity where wait_event_type = 'Lock'";
        sqlx::query_scalar(waiting).fetch_all(&pool).await.unwrap()
    };
    for verb in ["dev", "worker"] {
        // What the server has of one that was stopped may still wait, for a second.
        let before = waiting().await;
        let mut second = Program::spawn(&mut folder.command(verb));
        eventually("the migration should wait", async || {
            waiting().await.iter().any(|pid| !before.contains(pid))
        })
        .await;
        second.signal("INT");
        assert!(second.ended().await.success(), "{}", second.output());
    }
    blocking.rollback().await.unwrap();
    stop(vec![first]).await;
}

#[tokio::test]
async fn a_closed_terminal_is_a_stop_unless_it_was_to_be_outlived() {
    let folder = DataDir::new();
    let mut dev = Program::spawn(folder.command("dev").args(["--listen", "127.0.0.1:0"]));
    dev.printed("is ready").await;
    dev.signal("HUP");
    assert!(dev.ended().await.success(), "{}", dev.output());
    none_lives_in(folder.path()).await;

    let worker = folder.command("worker");
    let mut outliving = Program::spawn(
        Command::new("nohup")
            .arg(worker.get_program())
            .args(worker.get_args())
            .env("DATABASE_URL", ""),
    );
    outliving.printed("working").await;
    outliving.signal("HUP");
    outliving.signal("TERM");
    assert!(outliving.ended().await.success());
    outliving.printed("stopping: SIGTERM").await;
}

/// Whether a server runs whose files are in a folder, or where they are if its user cannot enter it.
/// The server says that it has stopped when its pid file is gone, a moment before its process is.
async fn none_lives_in(folder: &Path) {
    eventually("no server should be left", async || !lives_in(folder)).await;
}

fn lives_in(folder: &Path) -> bool {
    let processes = Command::new("ps").args(["-e", "-o", "args="]).output();
    let processes = String::from_utf8(processes.unwrap().stdout).unwrap();
    let folder = folder.to_str().unwrap();
    processes
        .lines()
        .any(|line| line.contains("postgres -D") && line.contains(folder))
}
