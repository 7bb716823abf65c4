//! `dev`: everything in one process, on a private Postgres.

use std::os::unix::process::CommandExt as _;

use crate::support::{Client, DataDir, Program, TestDatabase, eventually, send};

fn start_dev(folder: &DataDir) -> Program {
    let settings = ["--listen", "127.0.0.1:0", "--delay-scale", "1.5"];
    // In a group of its own, like what a shell starts.
    Program::spawn(folder.command("dev").args(settings).process_group(0))
}

async fn is_open(url: &str) -> bool {
    let address = url.rsplit_once('@').unwrap().1.split('/').next().unwrap();
    tokio::net::TcpStream::connect(address).await.is_ok()
}

#[tokio::test]
async fn dev_is_everything_and_ctrl_c_ends_all_of_it_after_running_jobs_have_finished() {
    let folder = DataDir::new();
    let mut dev = start_dev(&folder);
    let line = dev.printed("Ringback is ready").await;
    let address = line
        .split("http://")
        .nth(1)
        .unwrap()
        .split('/')
        .next()
        .unwrap()
        .to_owned();
    let url = folder.url();
    assert!(is_open(&url).await);

    let mut client = Client::connect_to(&address).await;
    client.submit("translate", "hello").await;
    let pool = sqlx::PgPool::connect(&url).await.unwrap();
    eventually("the job should be running", async || {
        let running = "select exists (select from ringback.jobs where state = 'running')";
        sqlx::query_scalar(running).fetch_one(&pool).await.unwrap()
    })
    .await;
    pool.close().await;
    // A terminal sends it to the whole group.
    send("INT", &format!("-{}", dev.pid()));
    // It runs for three seconds, and is finished and delivered on the way out.
    let result = client.next().await;
    assert_eq!(result.text(), "🌍 Translated: 'hello' → 'hola'");
    assert_eq!(u16::from(client.closed().await.unwrap().code), 1012);
    assert!(dev.ended().await.success(), "{}", dev.output());
    eventually("the private Postgres should be stopped", async || {
        !is_open(&url).await
    })
    .await;

    // What was done is still known, to a process that starts and stops the database by itself.
    let mut again = start_dev(&folder);
    again.printed("Ringback is ready").await;
    let pool = sqlx::PgPool::connect(&folder.url()).await.unwrap();
    let state: String = sqlx::query_scalar("select state from ringback.jobs")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(state, "succeeded");
    pool.close().await;
    again.signal("TERM");
    assert!(again.ended().await.success());
}

#[tokio::test]
async fn separate_processes_share_the_private_postgres() {
    let folder = DataDir::new();
    let mut worker = Program::spawn(folder.command("worker").args(["--delay-scale", "0"]));
    let mut gateway = Program::spawn(folder.command("serve").args(["--listen", "127.0.0.1:0"]));
    gateway.printed("serving").await;
    let mut client = Client::connect(&gateway).await;
    client.submit("default", "a").await;
    assert_eq!(client.next().await.text(), "✅ Processed: A");
    let notified = folder.command("notify").arg("hi").output().unwrap();
    assert!(notified.status.success());
    let words = String::from_utf8(notified.stdout).unwrap();
    assert!(words.ends_with("\n1 gateway is alive.\n"), "{words}");
    assert_eq!(client.next().await.text(), "hi");
    for program in [&mut worker, &mut gateway] {
        program.signal("TERM");
        assert!(program.ended().await.success(), "{}", program.output());
    }
}

#[tokio::test]
async fn a_verb_that_may_not_create_a_database_says_where_it_looked() {
    let folder = DataDir::new();
    for verb in ["url", "notify"] {
        let mut command = folder.command(verb);
        if verb == "notify" {
            command.arg("hi");
        }
        let output = command.output().unwrap();
        let words = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success());
        assert!(
            words.contains("ringback dev") && words.contains("DATABASE_URL"),
            "{words}"
        );
        assert!(
            words.contains(folder.path().file_name().unwrap().to_str().unwrap()),
            "{words}"
        );
    }
}

#[tokio::test]
async fn dev_says_which_part_has_died_and_fails() {
    let database = TestDatabase::new().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut dev = Program::start(&database, &["dev", "--listen", &address]);
    assert!(!dev.ended().await.success());
    dev.printed("could not listen on").await;
}

#[tokio::test]
async fn serve_and_worker_refuse_an_older_schema_and_say_what_to_do() {
    let database = TestDatabase::new().await;
    database.execute("delete from ringback.migration where version = (select max(version) from ringback.migration)").await;
    for verb in ["serve", "worker"] {
        let mut program = Program::start(&database, &[verb]);
        assert!(!program.ended().await.success());
        program.printed("ringback migrate").await;
    }
}

#[tokio::test]
async fn an_address_that_others_can_reach_is_refused() {
    let database = TestDatabase::new().await;
    for verb in ["dev", "serve"] {
        let mut program = Program::start(&database, &[verb, "--listen", "0.0.0.0:0"]);
        assert!(!program.ended().await.success());
        program.printed("without authentication").await;
    }
}
