//! Who is served: requests that name the gateway by a loopback name, from its own pages or from no page.

use ringback::auth::Algorithm;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;

use crate::support::{Api, Issuer, PATIENCE, Program, TestDatabase};

/// Every path, and how it answers who may ask.
const PATHS: [(&str, u16); 19] = [
    ("/", 307),
    ("/system", 308),
    ("/system/", 200),
    ("/static/system/page.css", 200),
    ("/static/system/page.js", 200),
    ("/static/ringback.js", 200),
    ("/static/theme.css", 200),
    ("/static/favicon.svg", 200),
    ("/favicon.ico", 308),
    ("/asyncapi/docs", 308),
    ("/asyncapi/docs/", 200),
    ("/static/asyncapi/docs.css", 200),
    ("/static/asyncapi/docs.js", 200),
    ("/asyncapi/schema.json", 200),
    ("/openapi.json", 200),
    ("/api/v1/jobs", 200),
    ("/healthz", 200),
    ("/readyz", 200),
    ("/no/such/path", 404),
];

/// What makes a request an upgrade to a WebSocket.
const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// Sends a request as it is written, and gives the status of the answer.
async fn status(gateway: &Program, request: &str) -> u16 {
    let mut stream = TcpStream::connect(gateway.address()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut line = [0; 12];
    tokio::time::timeout(PATIENCE, stream.read_exact(&mut line))
        .await
        .expect("an answer should have come")
        .expect("the answer should have a status");
    let line = std::str::from_utf8(&line).unwrap();
    line.rsplit_once(' ').unwrap().1.parse().unwrap()
}

/// The header lines of requests that are served, and of those that are not.
fn callers(address: &str) -> (Vec<String>, Vec<String>) {
    let port = address.rsplit_once(':').unwrap().1;
    let other = if port == "3000" { "3001" } else { "3000" };
    let welcome = [
        format!("Host: {address}\r\n"),
        format!("Host: localhost:{port}\r\n"),
        format!("Host: [::1]:{port}\r\n"),
        format!("Host: {address}\r\nOrigin: http://{address}\r\n"),
        format!("Host: localhost:{port}\r\nOrigin: http://localhost:{port}\r\n"),
        // Through a tunnel, whose other end has a port of its own.
        format!("Host: localhost:{other}\r\nOrigin: http://localhost:{other}\r\n"),
    ];
    let refused = [
        // A page of another site, of no site, and of another program on this machine.
        format!("Host: {address}\r\nOrigin: http://evil.example\r\n"),
        format!("Host: {address}\r\nOrigin: http://evil.example:{port}\r\n"),
        format!("Host: {address}\r\nOrigin: null\r\n"),
        format!("Host: {address}\r\nOrigin: \r\n"),
        format!("Host: {address}\r\nOrigin: http://127.0.0.1:{other}\r\n"),
        format!("Host: {address}\r\nOrigin: http://127.0.0.1\r\n"),
        format!("Host: {address}\r\nOrigin: http://localhost:{port}\r\n"),
        format!("Host: {address}\r\nOrigin: http://{address}.evil.example\r\n"),
        format!("Host: {address}\r\nOrigin: http://{address}\r\nOrigin: http://evil.example\r\n"),
        // A name that was made to point here, with and without its page.
        format!("Host: evil.example:{port}\r\n"),
        format!("Host: evil.example:{port}\r\nOrigin: http://evil.example:{port}\r\n"),
        format!("Host: localhost.evil.example:{port}\r\n"),
        format!("Host: 10.0.0.1:{port}\r\n"),
        "Host: \r\n".to_owned(),
        format!("Host: {address}\r\nHost: evil.example\r\n"),
        String::new(),
    ];
    (welcome.into(), refused.into())
}

#[tokio::test]
async fn every_path_is_served_to_our_own_pages_and_programs_only() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &[]).await;
    let (welcome, refused) = callers(&gateway.address());
    for (path, expected) in PATHS {
        for caller in &welcome {
            let request = format!("GET {path} HTTP/1.1\r\n{caller}Connection: close\r\n\r\n");
            assert_eq!(status(&gateway, &request).await, expected, "{request}");
        }
        for caller in &refused {
            let request = format!("GET {path} HTTP/1.1\r\n{caller}Connection: close\r\n\r\n");
            assert_eq!(status(&gateway, &request).await, 403, "{request}");
        }
    }
}

#[tokio::test]
async fn the_socket_opens_for_our_own_pages_and_programs_only() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &[]).await;
    let (welcome, refused) = callers(&gateway.address());
    for (callers, expected) in [(welcome, 101), (refused, 403)] {
        for caller in callers {
            let request = format!("GET /ws/system/ HTTP/1.1\r\n{caller}{UPGRADE}\r\n");
            assert_eq!(status(&gateway, &request).await, expected, "{request}");
        }
    }
}

#[tokio::test]
async fn a_websocket_client_is_told_that_its_origin_is_refused() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &[]).await;
    let url = format!("ws://{}/ws/system/", gateway.address());
    for origin in ["https://evil.example", "null"] {
        let mut request = url.as_str().into_client_request().unwrap();
        let headers = request.headers_mut();
        headers.insert("origin", HeaderValue::from_static(origin));
        let Err(Error::Http(answer)) = connect_async(request).await else {
            panic!("{origin} should be refused with an answer");
        };
        assert_eq!(answer.status().as_u16(), 403);
    }
    let mut request = url.as_str().into_client_request().unwrap();
    let own = format!("http://{}", gateway.address());
    let headers = request.headers_mut();
    headers.insert("origin", HeaderValue::from_str(&own).unwrap());
    connect_async(request).await.expect("our own page may");
}

#[tokio::test]
async fn a_request_without_a_host_is_refused_in_the_oldest_protocol_too() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &[]).await;
    for (path, _) in PATHS.into_iter().chain([("/ws/system/", 0)]) {
        let request = format!("GET {path} HTTP/1.0\r\n\r\n");
        assert_eq!(status(&gateway, &request).await, 403, "{request}");
    }
    // The name in the request line does not stand for the header.
    let absolute = format!(
        "GET http://{}/system/ HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        gateway.address()
    );
    assert_eq!(status(&gateway, &absolute).await, 403);
}

#[tokio::test]
async fn without_authentication_nothing_is_served_that_a_proxy_has_passed_on() {
    let database = TestDatabase::new().await;
    let issuer = Issuer::new(Algorithm::Hs256);
    let open = Program::serve(&database, &[]).await;
    let closed = issuer.serve(&database, &[]).await;
    let token = issuer.token("alice", "admin");
    for header in [
        "Forwarded: for=192.0.2.1",
        "X-Forwarded-For: 192.0.2.1",
        "X-Forwarded-Proto: https",
        "x-forwarded-host: jobs.example.com",
    ] {
        for (gateway, expected) in [(&open, [403, 403]), (&closed, [200, 101])] {
            let headers = format!(
                "Host: {}\r\n{header}\r\nAuthorization: Bearer {token}\r\n",
                gateway.address()
            );
            let jobs = format!("GET /api/v1/jobs HTTP/1.1\r\n{headers}\r\n");
            let socket = format!("GET /ws/system/ HTTP/1.1\r\n{headers}{UPGRADE}\r\n");
            assert_eq!(status(gateway, &jobs).await, expected[0], "{jobs}");
            assert_eq!(status(gateway, &socket).await, expected[1], "{socket}");
        }
    }
}

#[tokio::test]
async fn names_and_origins_are_served_that_are_allowed() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(
        &database,
        &[
            "--allowed-hosts",
            "jobs.example.com",
            "--allowed-origins",
            "https://app.example.com,http://localhost:5173",
        ],
    )
    .await;
    let app = "Origin: https://app.example.com\r\n";
    for (headers, expected) in [
        ("Host: jobs.example.com\r\n".to_owned(), 200),
        (format!("Host: jobs.example.com\r\n{app}"), 200),
        (format!("Host: {}\r\n{app}", gateway.address()), 200),
        ("Host: other.example.com\r\n".to_owned(), 403),
        (
            "Host: jobs.example.com\r\nOrigin: https://other.example.com\r\n".to_owned(),
            403,
        ),
    ] {
        let request = format!("GET /api/v1/jobs HTTP/1.1\r\n{headers}\r\n");
        assert_eq!(status(&gateway, &request).await, expected, "{request}");
        let socket = format!("GET /ws/system/ HTTP/1.1\r\n{headers}{UPGRADE}\r\n");
        let expected = if expected == 200 { 101 } else { 403 };
        assert_eq!(status(&gateway, &socket).await, expected, "{socket}");
    }

    // A browser asks first, and is told about those pages alone.
    let api = Api::of(&gateway);
    let preflight = async |origin: &str| {
        let request = api
            .client
            .request(reqwest::Method::OPTIONS, api.url("/api/v1/jobs"))
            .header("Origin", origin)
            .header("Access-Control-Request-Method", "POST")
            .header(
                "Access-Control-Request-Headers",
                "authorization,content-type,idempotency-key",
            );
        request.send().await.unwrap()
    };
    let allowed = preflight("https://app.example.com").await;
    assert_eq!(allowed.status().as_u16(), 200);
    let header = |name: &str| allowed.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(
        header("access-control-allow-origin"),
        "https://app.example.com"
    );
    assert!(header("access-control-allow-headers").contains("authorization"));
    let refused = preflight("https://other.example.com").await;
    assert_eq!(refused.status().as_u16(), 403);
    let plain = api.client.get(api.url("/api/v1/jobs"));
    let plain = plain.header("Origin", "http://localhost:5173");
    let plain = plain.send().await.unwrap();
    assert_eq!(
        plain.headers()["access-control-allow-origin"],
        "http://localhost:5173"
    );
}

#[tokio::test]
async fn no_other_page_is_told_anything_unless_it_is_allowed() {
    let database = TestDatabase::new().await;
    let gateway = Program::serve(&database, &[]).await;
    let api = Api::of(&gateway);
    for (method, path) in [
        ("GET", "/api/v1/jobs"),
        ("OPTIONS", "/api/v1/jobs"),
        ("GET", "/system/"),
    ] {
        let request = api.client.request(method.parse().unwrap(), api.url(path));
        let answer = request.send().await.unwrap();
        let told = answer.headers().keys();
        let told: Vec<_> = told
            .filter(|name| name.as_str().starts_with("access-control-"))
            .collect();
        assert!(told.is_empty(), "{method} {path}: {told:?}");
    }
}
