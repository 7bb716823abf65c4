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
mod subjects;
mod tls;
mod told;
mod waiting;
mod watch;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::middleware;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::auth::{Identity, Scope};
use crate::ids::{GatewayId, JobId, JobIds};
use crate::postgres::{Database, patiently};
use crate::queue::fleet::{self, GatewayRow, Heard};
use crate::queue::tasks::{self, KnownTask, TaskRow};
use crate::shutdown::{Parts, Stop};
use crate::task::Tasks;
use crate::wire::{SOCKET_PATH, SYSTEM_GROUP};

use access::Site;
pub use access::{Access, Auth};
use connection::Acknowledged;
use crowd::Crowd;
use door::Door;
use feed::Feed;
use health::Health;
use hub::Hub;
use identify::authorize;
use intake::Submission;
use known_tasks::KnownTasks;
pub use settings::{Limits, Settings};
use subjects::Subjects;
pub use tls::Tls;
use watch::Watched;

/// How long a database that goes away at the start is waited for.
const STARTING: Duration = Duration::from_secs(30);

/// What every request can reach.
type Shared = Arc<Gateway>;

#[derive(Debug)]
struct Gateway {
    hub: Arc<Hub>,
    /// Who everybody is, where there is no authentication.
    anyone: Arc<Identity>,
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
    /// Sockets by the address for which a trusted proxy speaks.
    proxied: Arc<Crowd<IpAddr>>,
    sockets: TaskTracker,
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
    database: Database,
    tasks: Tasks,
    settings: Settings,
    stop: Stop,
) -> anyhow::Result<()> {
    let address = listener
        .local_addr()
        .context("could not read the address that is listened on")?;
    let gateway = GatewayRow {
        id: GatewayId::random(),
        host: fleet::host(),
        listen: address.to_string(),
    };
    let (heard, all) = patiently(STARTING, || announce(&database, &gateway, &tasks))
        .await
        .context("could not make this gateway known to the fleet")?;
    let known = KnownTasks::new(tasks);
    known.replace(heard.tasks, all);
    let known = Arc::new(known);
    let hub = Arc::new(Hub::default());
    let watched = Arc::new(Watched::default());
    let feed = Arc::new(Feed::default());
    let health = Arc::new(Health::default());
    let subjects = Arc::new(Subjects::new(&settings.limits));
    let (submissions, receive) = mpsc::channel(intake::WAITING);
    let (acknowledged, acknowledgements) = mpsc::channel(acks::WAITING);
    let (wanted, look) = mpsc::channel(relay::WANTED);
    let relayed = Stop::new();
    let served = Stop::new();
    let shared = Arc::new(Gateway {
        hub: Arc::clone(&hub),
        anyone: Arc::new(Identity::anyone()),
        tasks: Arc::clone(&known),
        gateway: gateway.id,
        submissions,
        acknowledged,
        wanted: wanted.clone(),
        watched: Arc::clone(&watched),
        feed: Arc::clone(&feed),
        subjects: Arc::clone(&subjects),
        tickets: Semaphore::new(authenticate::AT_ONCE),
        health: Arc::clone(&health),
        proxied: Crowd::new(settings.limits.connections_per_address),
        sockets: TaskTracker::new(),
        stop: stop.clone(),
        relayed: relayed.clone(),
        settings: settings.clone(),
        database: database.clone(),
    });
    tracing::info!(gateway.id = %gateway.id, %address, "serving");

    let mut parts = Parts::default();
    parts.spawn(
        "intake",
        intake::Intake {
            link: database.link("intake"),
            ids: JobIds::default(),
            hub: Arc::clone(&hub),
            gateway: gateway.id,
            keep_keys: settings.keep_keys,
            wanted,
        }
        .run(receive, served.clone()),
    );
    parts.spawn(
        "acknowledgements",
        acks::run(acknowledgements, database.link("acks"), served.clone()),
    );
    parts.spawn(
        "ends of tokens",
        expiry::run(Arc::clone(&hub), stop.clone()),
    );
    parts.spawn(
        "count of those who wait",
        waiting::run(subjects, database.link("waiting"), stop.clone()),
    );
    let watch = Arc::clone(&watched).run(database.link("watch"), stop.clone());
    parts.spawn("watch over jobs", watch);
    let asking = (database.link("health"), served.clone());
    parts.spawn("health", async move {
        health.run(asking.0, asking.1).await;
        Ok(())
    });
    parts.spawn("feed", feed.run(database.link("feed"), stop.clone()));
    let relay = relay::Relay {
        link: database.link("relay"),
        database,
        gateway,
        hub,
        watched,
        tasks: known,
        wanted: look,
        last_notice: heard.last_notice,
        let_go_at: Instant::now(),
    };
    parts.spawn("relay", relay.run(settings.hearing, stop.clone(), relayed));
    parts.spawn("web server", serve(listener, address, shared, served));
    parts.join(&stop).await
}

/// Makes a gateway and its tasks known to the fleet.
async fn announce(
    database: &Database,
    gateway: &GatewayRow,
    tasks: &Tasks,
) -> Result<(Heard, Vec<KnownTask>), sqlx::Error> {
    tasks::register(database.pool(), None, &TaskRow::all(tasks)).await?;
    let heard = fleet::gateway_beat(database.pool(), gateway, 0, SYSTEM_GROUP).await?;
    Ok((heard, tasks::all(database.pool()).await?))
}

async fn serve(
    listener: TcpListener,
    address: SocketAddr,
    shared: Shared,
    served: Stop,
) -> anyhow::Result<()> {
    // Given however this ends: a request that is never finished keeps what it shares with the intake.
    let _served = served.drop_guard();
    let stop = shared.stop.clone();
    let (hub, sockets) = (Arc::clone(&shared.hub), shared.sockets.clone());
    let grace = shared.settings.grace;
    // Made whole once: as it comes, a router is put together anew for each connection.
    let router = router(address, Arc::clone(&shared)).with_state(());
    let settings = &shared.settings;
    let door = Door::new(listener, settings.tls.clone(), router, &settings.limits);
    drop(shared);
    let all_closed = async {
        stop.cancelled().await;
        hub.stop();
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

fn router(address: SocketAddr, shared: Shared) -> Router {
    let access = shared.settings.access.clone();
    let cors = access::cors(&access);
    let pages = pages::routes(&shared);
    let reading = (Arc::clone(&shared), Some(Scope::MetricsRead));
    let metrics = get(metrics::metrics).layer(middleware::from_fn_with_state(reading, authorize));
    let site = Arc::new(Site { address, access });
    Router::new()
        .route(SOCKET_PATH, get(socket::upgrade))
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/metrics", metrics)
        .merge(api::routes(&shared))
        .with_state(shared)
        .merge(pages)
        .fallback(limits::no_such_path)
        .method_not_allowed_fallback(limits::no_such_method)
        .layer(tower::util::option_layer(cors))
        .layer(middleware::from_fn(limits::sizes))
        .layer(middleware::from_fn_with_state(site, access::from_where))
}
