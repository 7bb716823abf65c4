//! A wire that can be bad: it stands between a program and its Postgres, or between a client and its gateway.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What becomes of the bytes of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// They arrive.
    Good,
    /// They vanish in both directions, while both sides believe in the connection: it is half-open.
    Swallows,
    /// They arrive at the server; its answers vanish.
    LosesAnswers,
    /// They arrive at the server; its next answer does not, and with it the connection ends.
    CutAtAnswer,
    /// There is none any more.
    Cut,
}

/// A proxy on a port of its own, until it is dropped.
pub(crate) struct Proxy {
    address: SocketAddr,
    lines: Lines,
    _accepting: JoinSet<()>,
}

/// The connections that were made, by the name under which each introduced itself to Postgres.
type Lines = Arc<Mutex<Vec<(String, watch::Sender<Line>)>>>;

impl Proxy {
    /// In front of `target`, a host and port.
    pub(crate) async fn before(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let lines = Lines::default();
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, target.to_owned(), Arc::clone(&lines)));
        Self {
            address,
            lines,
            _accepting: accepting,
        }
    }

    /// In front of the server of a Postgres URL; gives the URL that leads through it as well.
    pub(crate) async fn before_database(url: &str) -> (Self, String) {
        let (front, rest) = url.rsplit_once('@').unwrap();
        let (target, path) = rest.split_once('/').unwrap();
        let (name, _) = path.split_once('?').unwrap_or((path, ""));
        let proxy = Self::before(target).await;
        // Without it, the first message would ask for TLS, and name nobody.
        let url = format!("{front}@{}/{name}?sslmode=disable", proxy.address());
        (proxy, url)
    }

    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    /// Makes the lines of these connections bad, such as those of `ringback intake`; all, where the name is empty. New
    /// ones are good. Answers how many they were.
    pub(crate) fn turn(&self, name: &str, line: Line) -> usize {
        let mut lines = self.lines.lock().unwrap();
        lines.retain(|(_, sender)| !sender.is_closed());
        let chosen = lines.iter().filter(|(of, _)| name.is_empty() || of == name);
        let mut turned = 0;
        for (_, sender) in chosen {
            sender.send_replace(line);
            turned += 1;
        }
        turned
    }
}

async fn accept(listener: TcpListener, target: String, lines: Lines) {
    let mut open = JoinSet::new();
    loop {
        let (client, _) = listener.accept().await.unwrap();
        while open.try_join_next().is_some() {}
        open.spawn(connect(client, target.clone(), Arc::clone(&lines)));
    }
}

/// Carries one connection, until either side ends it or it is cut.
async fn connect(mut client: TcpStream, target: String, lines: Lines) {
    let Ok(server) = TcpStream::connect(target).await else {
        return;
    };
    let (mut first, mut server) = (vec![0; 4096], server);
    let Ok(length @ 1..) = client.read(&mut first).await else {
        return;
    };
    if server.write_all(&first[..length]).await.is_err() {
        return;
    }
    let (line, seen) = watch::channel(Line::Good);
    lines
        .lock()
        .unwrap()
        .push((introduced(&first[..length]), line));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    // The line of the other direction ends with the first that does: both halves are dropped.
    tokio::select! {
        () = carry(from_client, to_server, seen.clone(), Way::There) => {}
        () = carry(from_server, to_client, seen, Way::Back) => {}
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    There,
    Back,
}

async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut line: watch::Receiver<Line>,
    way: Way,
) {
    let mut bytes = vec![0; 64 * 1024];
    loop {
        let read = tokio::select! {
            read = from.read(&mut bytes) => read,
            turned = line.changed() => match turned {
                Ok(()) if *line.borrow() != Line::Cut => continue,
                _ => return,
            },
        };
        let Ok(length @ 1..) = read else {
            // Nor does the goodbye arrive.
            let _ = line.wait_for(|line| *line != Line::Swallows).await;
            return;
        };
        let is_lost = match *line.borrow() {
            Line::Good => false,
            Line::Swallows => true,
            Line::LosesAnswers => way == Way::Back,
            Line::CutAtAnswer if way == Way::There => false,
            Line::CutAtAnswer | Line::Cut => return,
        };
        if !is_lost && to.write_all(&bytes[..length]).await.is_err() {
            return;
        }
    }
}

/// The name in a Postgres start-up message; empty for anything else.
fn introduced(message: &[u8]) -> String {
    let words: Vec<&[u8]> = message.split(|byte| *byte == 0).collect();
    let name = words.iter().position(|word| *word == b"application_name");
    let name = name.and_then(|position| words.get(position + 1));
    name.map(|name| String::from_utf8_lossy(name).into_owned())
        .unwrap_or_default()
}
