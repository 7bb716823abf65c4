//! The servers that `NATS_URL` names: spoken to by TLS and with a login, and refused where it is no list of them.

use super::together;
use crate::doctor::Report;
use crate::support::{Client, NatsServer, Program, TestDatabase};

#[tokio::test]
async fn nats_is_spoken_to_by_tls_with_a_login_and_the_doctor_says_whether_it_answers() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    let folder = folder.join(format!("nats-{}", uuid::Uuid::new_v4().simple()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let certified = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(path("cert.pem"), certified.cert.pem()).unwrap();
    std::fs::write(path("key.pem"), certified.signing_key.serialize_pem()).unwrap();
    let (cert, key) = (path("cert.pem"), path("key.pem"));
    let arguments = [
        "--tls",
        "--tlscert",
        &cert,
        "--tlskey",
        &key,
        "--user",
        "me",
        "--pass",
        "s@cret",
    ];
    let Some(nats) = NatsServer::start(&arguments).await else {
        return;
    };
    let port = nats.port();
    let database = TestDatabase::new().await;
    let doctor = async |url: &str| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_ringback"));
        command
            .args(["doctor", "--json", "--nats-url", url])
            .env("DATABASE_URL", &database.url)
            .env("SSL_CERT_FILE", &cert);
        Report::by(Program::spawn(&mut command)).await
    };
    let report = doctor(&format!("tls://me:s%40cret@localhost:{port}")).await;
    let (status, found, _) = report.all("nats")[0];
    assert_eq!(status, "ok", "{found}");
    let report = doctor(&format!("tls://me:guess@localhost:{port}")).await;
    let (status, found, _) = report.all("nats")[0];
    assert_eq!(status, "problem", "{found}");
    assert!(!found.contains("guess"), "{found}");

    // Nor does a login that is wrong stop anything.
    for (password, said) in [("s%40cret", "hints go by NATS"), ("guess", "NATS is away")] {
        let url = format!("tls://me:{password}@localhost:{port}");
        let spawn = |arguments: &[&str]| {
            let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_ringback"));
            command
                .args(arguments)
                .env("DATABASE_URL", &database.url)
                .env("NATS_URL", &url)
                .env("SSL_CERT_FILE", &cert);
            Program::spawn(&mut command)
        };
        let gateway = spawn(&["serve", "--listen", "127.0.0.1:0"]);
        let worker = spawn(&["worker", "--delay-scale", "0"]);
        gateway.printed("serving").await;
        for program in [&gateway, &worker] {
            let line = program.printed(said).await;
            assert!(!line.contains("guess"), "{line}");
        }
        let mut client = Client::connect(&gateway).await;
        together(&mut client, 5).await;
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn what_is_no_list_of_servers_is_refused_at_the_start() {
    let database = TestDatabase::new().await;
    for verb in ["serve", "worker", "dev", "doctor"] {
        let mut program = Program::start(&database, &[verb, "--nats-url", "http://me:secret@here"]);
        assert_eq!(program.ended().await.code(), Some(2), "{verb}");
        let output = program.output();
        assert!(
            output.contains("NATS_URL is not a list of servers"),
            "{output}"
        );
        assert!(!output.contains("secret"), "{output}");
    }
}
