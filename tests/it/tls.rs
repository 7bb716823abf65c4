//! TLS on both sides: of the gateway itself, and to Postgres.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use reqwest::Certificate;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;
use uuid::Uuid;

use crate::support::{Client, Program, TestDatabase, eventually};

/// A certificate for this machine, and its key, in files.
pub(crate) struct Certified {
    folder: PathBuf,
    made: CertifiedKey<rcgen::KeyPair>,
}

impl Certified {
    pub(crate) fn new() -> Self {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("tls_{}", Uuid::new_v4().simple()));
        std::fs::create_dir_all(&folder).unwrap();
        let names = ["localhost", "127.0.0.1"].map(str::to_owned);
        let made = generate_simple_self_signed(names).unwrap();
        let certified = Self { folder, made };
        std::fs::write(certified.file("cert.pem"), certified.made.cert.pem()).unwrap();
        let key = certified.made.signing_key.serialize_pem();
        std::fs::write(certified.file("key.pem"), key).unwrap();
        certified
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.file(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Certified {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn port(gateway: &Program) -> String {
    let address = gateway.address();
    address.rsplit_once(':').unwrap().1.to_owned()
}

#[tokio::test]
async fn a_gateway_with_a_certificate_speaks_tls_and_nothing_else() {
    let database = TestDatabase::new().await;
    let certified = Certified::new();
    let (cert, key) = (certified.path("cert.pem"), certified.path("key.pem"));
    let gateway = Program::serve(&database, &["--tls-cert", &cert, "--tls-key", &key]).await;
    let _worker = Program::worker(&database, &[]).await;
    let port = port(&gateway);

    let trusted = Certificate::from_pem(certified.made.cert.pem().as_bytes()).unwrap();
    let client = reqwest::Client::builder()
        .tls_certs_only([trusted])
        .build()
        .unwrap();
    let jobs = format!("https://localhost:{port}/api/v1/jobs");
    let own = format!("https://localhost:{port}");
    let answer = client
        .get(&jobs)
        .header("Origin", own)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    let stranger = reqwest::Client::new();
    assert!(stranger.get(&jobs).send().await.is_err(), "nobody vouches");
    let plain = format!("http://localhost:{port}/api/v1/jobs");
    assert!(stranger.get(plain).send().await.is_err(), "it speaks TLS");

    let mut roots = RootCertStore::empty();
    roots.add(certified.made.cert.der().clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(gateway.address()).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    let stream = connector.connect(name, stream).await.unwrap();
    let url = format!("wss://localhost:{port}/ws/system/");
    let (mut socket, _) = client_async(url, stream).await.unwrap();
    let payload = json!({"task_type": "translate", "content": "hello"});
    let asked = json!({"action": "system_message", "payload": payload});
    socket.send(Message::text(asked.to_string())).await.unwrap();
    for expected in ["job_queued", "job_result"] {
        let frame = socket.next().await.unwrap().unwrap();
        let message: Value = serde_json::from_str(frame.to_text().unwrap()).unwrap();
        assert_eq!(message["action"], expected, "{message}");
    }

    // Who begins to agree on keys, and goes no further, is not waited for.
    let mut slow = TcpStream::connect(gateway.address()).await.unwrap();
    slow.write_all(&[0x16, 0x03, 0x01]).await.unwrap();
    let mut rest = Vec::new();
    tokio::time::timeout(Duration::from_secs(20), slow.read_to_end(&mut rest))
        .await
        .expect("it should be cut off")
        .ok();
    assert_eq!(
        client.get(&jobs).send().await.unwrap().status().as_u16(),
        200
    );
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_is_said_at_the_start() {
    let database = TestDatabase::new().await;
    let (certified, other) = (Certified::new(), Certified::new());
    let (cert, key) = (certified.path("cert.pem"), certified.path("key.pem"));
    for (arguments, reason) in [
        (&["--tls-cert", &cert][..], "--tls-key"),
        (
            &["--tls-cert", &cert, "--tls-key", &other.path("key.pem")],
            "do not go together",
        ),
        (&["--tls-cert", &key, "--tls-key", &key], "could not use"),
        (&["--tls-cert", &cert, "--tls-key", &cert], "no private key"),
        (
            &["--tls-cert", "/no/such/file", "--tls-key", &key],
            "could not read",
        ),
    ] {
        let mut refused = Program::start(&database, &[&["serve"], arguments].concat());
        assert!(!refused.ended().await.success(), "{arguments:?}");
        assert!(
            refused.output().contains(reason),
            "{arguments:?}: {}",
            refused.output()
        );
    }
}

/// Lets the server of a database speak TLS with this certificate.
async fn certify(database: &TestDatabase, certified: &Certified) {
    let data: String = sqlx::query_scalar("show data_directory")
        .fetch_one(&database.pool)
        .await
        .unwrap();
    let data = Path::new(&data);
    let owner = std::fs::metadata(data).unwrap();
    for name in ["cert.pem", "key.pem"] {
        let file = data.join(name);
        std::fs::copy(certified.file(name), &file).unwrap();
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
        chown(&file, Some(owner.uid()), Some(owner.gid())).unwrap();
    }
    for setting in [
        "alter system set ssl_cert_file = 'cert.pem'",
        "alter system set ssl_key_file = 'key.pem'",
        "alter system set ssl = on",
        "select pg_reload_conf()",
    ] {
        database.execute(setting).await;
    }
    eventually("the server should speak TLS", async || {
        let ssl: String = sqlx::query_scalar("show ssl")
            .fetch_one(&database.pool)
            .await
            .unwrap();
        ssl == "on"
    })
    .await;
}

#[tokio::test]
async fn the_way_to_postgres_is_safe_and_the_server_is_who_it_should_be() {
    let database = TestDatabase::on_its_own_server().await;
    let (certified, other) = (Certified::new(), Certified::new());
    certify(&database, &certified).await;
    let url = |certified: &Certified| {
        let root = certified.path("cert.pem");
        let server = database.url.split('?').next().unwrap();
        format!("{server}?sslmode=verify-full&sslrootcert={root}")
    };
    let gateway = Program::serve_at(&url(&certified), &[]).await;
    let worker = Program::worker_at(&url(&certified), &[]).await;
    let mut client = Client::connect(&gateway).await;
    client.submit("translate", "hello").await;
    assert_eq!(client.next().await.action(), "job_result");
    let connections =
        "pg_stat_ssl join pg_stat_activity using (pid) where application_name like 'ringback%'";
    assert!(database.count(connections).await > 5);
    let plain = format!("{connections} and not ssl");
    assert_eq!(database.count(&plain).await, 0);

    let mut deceived = Program::start_at(&url(&other), &["serve", "--listen", "127.0.0.1:0"]);
    deceived.printed("certificate").await;
    let _ = deceived.ended_within(Duration::from_secs(60)).await;
    drop((gateway, worker));
}
