//! The HTTP surface: the socket, the pages, the contract; and the parts behind the socket.
//!
//! Routes and what they share are here; each route's work is in its own file.

mod access;
mod acks;
pub mod apart;
mod api;
mod authenticate;
mod batch;
mod cancel;
mod connection;
mod crowd;
mod door;
mod expiry;
mod feed;
mod forwarded;
mod front;
mod goodbye;
mod health;
mod hub;
mod identify;
mod intake;
mod known_tasks;
mod limits;
mod linger;
pub mod metrics;
mod outbox;
mod pages;
mod rate;
mod relay;
mod resume;
mod retry;
mod settings;
mod socket;
mod starting;
mod subjects;
mod tls;
mod told;
mod waiting;
mod watch;

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use axum::Router;
use axum::middleware;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};
use tracing::Instrument;

use crate::auth::Scope;
use crate::ids::{GatewayId, JobId};
use crate::postgres::{Database, Shard};
use crate::queue::fleet::{self, GatewayRow};
use crate::shards::Shards;
use crate::shutdown::{Parts, Stop};
use crate::task::Tasks;
use crate::wire::SOCKET_PATH;

use access::Site;
pub use access::{Access, Auth};
use connection::Acknowledged;
use door::Door;
use feed::Feed;
use front::Front;
use health::Health;
use hub::Hub;
use identify::identify;
use intake::Submission;
use known_tasks::KnownTasks;
pub use settings::{Limits, Settings};
use starting::Starting;
use subjects::Subjects;
pub use tls::Tls;
use watch::Watched;

/// A gateway of one shard; what most requests reach.
type Shared = Arc<Gateway>;

#[derive(Debug)]
struct Gateway {
    hub: Arc<Hub>,
    tasks: Arc<KnownTasks>,
    gateway: GatewayId,
    submissions: mpsc::Sender<Submission>,
    acknowledged: mpsc::Sender<Acknowledged>,
    /// Tells the relay to look what became of jobs.
    wanted: mpsc::Sender<Vec<JobId>>,
    /// The jobs that requests wait for.
    watched: Arc<Watched>,
    /// How the whole system is, for those who look on.
    feed: Arc<Feed>,
    subjects: Arc<Subjects>,
    /// How many tickets may be looked for at once.
    tickets: Semaphore,
    /// Whether the database lets it do its work.
    health: Arc<Health>,
    stop: Stop,
    /// Given when, after `stop`, everything that had finished is in the outboxes.
    relayed: Stop,
    settings: Settings,
    database: Database,
}

/// Serves `listener` until it is told to stop; then answers what it has been asked, and closes every socket.
///
/// # Errors
/// When the database cannot be reached at the start, or a part fails.
pub async fn run(
    listener: TcpListener,
    shards: impl Into<Shards<Shard>>,
    tasks: Tasks,
    settings: Settings,
    stop: Stop,
) -> anyhow::Result<()> {
    let address = listener
        .local_addr()
        .context("could not read the address that is listened on")?;
    let row = GatewayRow {
        id: GatewayId::random(),
        host: fleet::host(),
        listen: address.to_string(),
    };
    let gateway = row.id;
    let served = Stop::new();
    let shards = shards.into();
    let front = Arc::new(Front::new(&shards, settings, stop.clone()));
    let mut parts = Parts::default();
    for (place, shard) in shards.places() {
        let starting = Starting {
            front: Arc::clone(&front),
            place,
            tasks: tasks.clone(),
            row: row.clone(),
            served: served.clone(),
        };
        parts.spawn(
            "way to a database",
            starting.run(shard.clone()).instrument(place.span()),
        );
    }
    parts.spawn("web server", async move {
        let stop = front.stop.clone();
        if stop.run_until_cancelled(front.wait()).await.is_none() {
            // Nobody was let in.
            served.cancel();
            return Ok(());
        }
        tracing::info!(gateway.id = %gateway, %address, "serving");
        serve(listener, address, front, served).await
    });
    parts.join(&stop).await
}

async fn serve(
    listener: TcpListener,
    address: SocketAddr,
    front: Arc<Front>,
    served: Stop,
) -> anyhow::Result<()> {
    // Given however this ends: a request that is never finished keeps what it shares with the intake.
    let _served = served.drop_guard();
    let stop = front.stop.clone();
    let sockets = front.sockets.clone();
    let grace = front.settings.grace;
    // Made whole once: as it comes, a router is put together anew for each connection.
    let router = router(address, Arc::clone(&front)).with_state(());
    let settings = &front.settings;
    let door = Door::new(listener, settings.tls.clone(), router, &settings.limits);
    let all_closed = async {
        stop.cancelled().await;
        front.stop_sockets();
        sockets.close();
        sockets.wait().await;
    };
    tokio::select! {
        _ = async { tokio::join!(door.run(&stop), all_closed) } => {}
        // A request that does not end must not keep the process alive.
        () = async { stop.cancelled().await; tokio::time::sleep(grace).await } => {}
    }
    Ok(())
}

fn router(address: SocketAddr, front: Arc<Front>) -> Router {
    let access = front.settings.access.clone();
    let cors = access::cors(&access);
    let pages = pages::routes(&front);
    let reading = (Arc::clone(&front), Some(Scope::MetricsRead));
    let metrics = get(metrics::metrics).layer(middleware::from_fn_with_state(reading, identify));
    let site = Arc::new(Site { address, access });
    Router::new()
        .route(SOCKET_PATH, get(socket::upgrade))
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/metrics", metrics)
        .merge(api::routes(&front))
        .with_state(front)
        .merge(pages)
        .fallback(limits::no_such_path)
        .method_not_allowed_fallback(limits::no_such_method)
        .layer(tower::util::option_layer(cors))
        .layer(middleware::from_fn(limits::sizes))
        .layer(middleware::from_fn_with_state(site, access::from_where))
}
