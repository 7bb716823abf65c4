//! Lets connections in: so many, so many of one address, and each with a time to say what it wants.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use ipnet::IpNet;
#[cfg(target_os = "linux")]
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;
use tower::Service;

use super::crowd::{Crowd, Place};
use super::linger::Lingering;
use super::settings::Limits;
use super::tls::Tls;
use crate::shutdown::Stop;

/// How long a client may take to send the head of a request, and how long a connection may be idle between two.
const HEAD_WITHIN: Duration = Duration::from_secs(20);

/// How long what is sent may stay unread before the system ends a connection: whoever does not read is not kept for ever.
const UNREAD_FOR: Duration = Duration::from_secs(60);

/// How long to wait when the system gives no more connections, such as for want of open files.
const PAUSE: Duration = Duration::from_millis(100);

/// Where connections come in.
#[derive(Debug)]
pub(super) struct Door {
    listener: TcpListener,
    tls: Option<Tls>,
    router: Router,
    /// Proxies that speak for others.
    trusted: Vec<IpNet>,
    all: Arc<Crowd<()>>,
    by_address: Arc<Crowd<IpAddr>>,
    connections: TaskTracker,
}

/// A connection that was let in. It keeps its places for as long as anybody has it: a socket that it has become, too.
#[derive(Debug)]
pub(super) struct Visit {
    /// The other end: a client, or a proxy.
    pub(super) peer: SocketAddr,
    _places: (Place<()>, Option<Place<IpAddr>>),
}

impl Door {
    pub(super) fn new(
        listener: TcpListener,
        tls: Option<Tls>,
        router: Router,
        limits: &Limits,
    ) -> Self {
        Self {
            listener,
            tls,
            router,
            trusted: limits.trusted_proxies.clone(),
            all: Crowd::new(limits.connections),
            by_address: Crowd::new(limits.connections_per_address),
            connections: TaskTracker::new(),
        }
    }

    /// Lets connections in until it is told to stop; then waits until each has been answered what it had asked.
    pub(super) async fn run(self, stop: &Stop) {
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = stop.cancelled() => break,
            };
            match accepted {
                Ok((stream, peer)) => self.let_in(stream, peer, stop),
                Err(error) => {
                    tracing::debug!(%error, "could not accept a connection");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        drop(self.listener);
        self.connections.close();
        self.connections.wait().await;
    }

    fn let_in(&self, stream: TcpStream, peer: SocketAddr, stop: &Stop) {
        let Some(visit) = self.visit(peer) else {
            // Closed without a word: whoever opens too many is not worth an answer.
            tracing::debug!(%peer, "too many connections; one was closed");
            return;
        };
        // Small frames at once: a result must not wait until the client has acknowledged what came before it.
        let prepared = stream
            .set_nodelay(true)
            .and_then(|()| unread_for(&stream, UNREAD_FOR));
        if let Err(error) = prepared {
            tracing::debug!(%error, "a connection was lost as it was opened");
            return;
        }
        let visit = Arc::new(visit);
        let stream = Lingering::new(stream, self.connections.clone(), Arc::clone(&visit));
        let (router, stop) = (self.router.clone(), stop.clone());
        let Some(tls) = self.tls.clone() else {
            self.connections.spawn(serve(stream, router, visit, stop));
            return;
        };
        self.connections.spawn(async move {
            match stop.run_until_cancelled(tls.accept(stream)).await {
                Some(Ok(stream)) => serve(stream, router, visit, stop.clone()).await,
                Some(Err(error)) => tracing::debug!(%error, "a connection was not made safe"),
                None => {}
            }
        });
    }

    /// A place for a connection of this address, if there is one.
    fn visit(&self, peer: SocketAddr) -> Option<Visit> {
        let address = kind_of(peer.ip());
        // A proxy that is trusted speaks for many: those are told apart by whom it names.
        let is_of_many =
            address.is_loopback() || self.trusted.iter().any(|them| them.contains(&address));
        let of_one = if is_of_many {
            None
        } else {
            Some(self.by_address.enter(address)?)
        };
        Some(Visit {
            peer,
            _places: (self.all.enter(())?, of_one),
        })
    }
}

async fn serve<S>(stream: S, router: Router, visit: Arc<Visit>, stop: Stop)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let answer = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(Arc::clone(&visit));
        let answered = router.clone().call(request);
        async { Ok::<_, Infallible>(answered.await.unwrap_or_else(|never| match never {})) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .serve_connection(TokioIo::new(stream), answer)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        tracing::trace!(%error, "a connection was broken off");
    }
}

#[cfg(target_os = "linux")]
fn unread_for(stream: &TcpStream, time: Duration) -> std::io::Result<()> {
    SockRef::from(stream).set_tcp_user_timeout(Some(time))
}

/// Elsewhere the system's own patience has to do.
#[cfg(not(target_os = "linux"))]
fn unread_for(_: &TcpStream, _: Duration) -> std::io::Result<()> {
    Ok(())
}

/// Whose address this is: of the newer kind, a network of them belongs to one.
pub(super) fn kind_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64))
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_has_so_many_places_and_a_proxy_that_is_trusted_as_many_as_there_are() {
        let limits = Limits {
            connections: 4,
            connections_per_address: 1,
            trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()],
            ..Limits::default()
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let door = Door::new(listener, None, Router::new(), &limits);
        let visit = |address: &str| door.visit(SocketAddr::new(address.parse().unwrap(), 1));
        let first = visit("192.0.2.7");
        assert!(first.is_some() && visit("192.0.2.7").is_none());
        let others = [visit("10.0.0.1"), visit("10.0.0.1"), visit("127.0.0.1")];
        assert!(others.iter().all(Option::is_some));
        assert!(visit("10.0.0.2").is_none(), "all places are taken");
        drop(first);
        assert!(visit("192.0.2.7").is_some());
    }

    #[test]
    fn a_network_of_the_newer_kind_is_one_address() {
        let kind = |text: &str| kind_of(text.parse().unwrap()).to_string();
        assert_eq!(kind("192.0.2.7"), "192.0.2.7");
        assert_eq!(kind("::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(kind("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(kind("::1"), "::1");
    }
}
