//! What dies, hangs or goes away in a fleet behind a balancer, amid load that comes through it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::fleet::{Balanced, GATEWAYS};
use crate::ledger::{World, complete, sum, under_load};
use crate::support::{TestDatabase, eventually, eventually_within};

/// Longer than a lost worker's jobs may wait.
pub(super) const RECOVERY: Duration = Duration::from_secs(20);

/// How many jobs are done before something happens, and after it.
const SOME: i64 = 60;

impl Balanced {
    /// Keeps clients with sessions busy through the balancer while something happens, and makes sure that each of them has
    /// got everything, and nothing twice.
    async fn under_load<T>(&mut self, happens: impl AsyncFnOnce(&mut Self) -> T) -> T {
        let world = Arc::new(World::default());
        *world.addresses.lock().unwrap() = vec![self.balancer.address.clone()];
        let url = self.database.url.clone();
        let operator = async {
            self.goes_on().await;
            let said = happens(self).await;
            self.goes_on().await;
            said
        };
        let (books, said) = under_load(fastrand::u64(..), &url, &world, operator).await;
        complete(&books, &world);
        let asked_for = i64::try_from(sum(&books, |book| book.submitted)).unwrap();
        assert!(asked_for > 2 * SOME, "{asked_for}");
        assert_eq!(self.database.count("ringback.job").await, 0);
        let done = "ringback.job_history where state = 'succeeded'";
        assert_eq!(self.database.count(done).await, asked_for);
        assert_eq!(self.database.count("ringback.job_history").await, asked_for);
        said
    }

    /// Waits until some jobs are done that were asked for after this.
    async fn goes_on(&self) {
        let done = async || {
            let query = "select count(*) from ringback.job_history";
            let asked = sqlx::query_scalar(query).fetch_one(&self.database.pool);
            asked.await.ok()
        };
        let mut before: Option<i64> = None;
        eventually_within(RECOVERY * 3, "work should go on", async || {
            let now = done().await;
            before = before.or(now);
            now.is_some_and(|now| before.is_some_and(|before| now > before + SOME))
        })
        .await;
    }

    /// Makes sure that no job was begun twice.
    async fn every_job_ran_once(&self) {
        assert_eq!(self.database.count("ringback.job_attempt").await, 0);
        let again = "ringback.job_history where attempt > 1";
        assert_eq!(self.database.count(again).await, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_four_workers_one_is_killed_and_only_what_it_was_running_begins_again() {
    let mut fleet = Balanced::new().await;
    let killed = fleet.id_of(&fleet.workers[0], "worker").await;
    let left = fleet
        .under_load(async |fleet: &mut Balanced| {
            let its = async || {
                let query = "select id from ringback.job where worker_id = $1";
                let its = sqlx::query_scalar(query).bind(killed);
                let its: Vec<Uuid> = its.fetch_all(&fleet.database.pool).await.unwrap();
                its
            };
            eventually("it should be running something", async || {
                !its().await.is_empty()
            })
            .await;
            fleet.workers[0].kill();
            // Also what the server still commits for it.
            let mut left = HashSet::new();
            eventually_within(RECOVERY, "others should have them", async || {
                let now = its().await;
                left.extend(now.iter().copied());
                now.is_empty()
            })
            .await;
            left
        })
        .await;
    let database = &fleet.database;
    let begun_again: Vec<Uuid> = sqlx::query_scalar(
        "select job_id from ringback.job_attempt
         where worker_id = $1 and outcome = 'crashed' and error_code = 'worker_lost' and attempt = 1 order by job_id",
    )
    .bind(killed)
    .fetch_all(&database.pool)
    .await
    .unwrap();
    assert!(begun_again.iter().all(|job| left.contains(job)));
    let lost = i64::try_from(begun_again.len()).unwrap();
    assert!(lost > 0);
    assert_eq!(database.count("ringback.job_attempt").await, lost);
    let again = "ringback.job_history where attempt = 2 and crashes = 1 and failures = 0";
    assert_eq!(database.count(again).await, lost);
    let more = "ringback.job_history where attempt > 2";
    assert_eq!(database.count(more).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_three_gateways_each_is_killed_with_its_sockets() {
    let mut fleet = Balanced::new().await;
    fleet
        .under_load(async |fleet: &mut Balanced| {
            for which in 0..GATEWAYS {
                let its = fleet.id_of(&fleet.gateways[which], "gateway").await;
                let sessions = format!("ringback.session where gateway_id = '{its}'");
                eventually("it should have some", async || {
                    fleet.database.count(&sessions).await > 0
                })
                .await;
                fleet.gateways[which].kill();
                fleet.goes_on().await;
                fleet.gateways[which] = fleet.gateway(which).await;
                fleet.balancer.ready(GATEWAYS).await;
            }
        })
        .await;
    fleet.every_job_ran_once().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_three_gateways_one_is_frozen_until_the_balancer_has_given_it_up() {
    let mut fleet = Balanced::new().await;
    fleet
        .under_load(async |fleet: &mut Balanced| {
            fleet.gateways[1].signal("STOP");
            fleet.balancer.ready(GATEWAYS - 1).await;
            fleet.goes_on().await;
            fleet.gateways[1].signal("CONT");
            fleet.balancer.ready(GATEWAYS).await;
        })
        .await;
    fleet.every_job_ran_once().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_balancer_a_crash_of_postgres_costs_nothing_but_time() {
    let mut fleet = Balanced::on(TestDatabase::on_its_own_server().await).await;
    fleet
        .under_load(async |fleet: &mut Balanced| {
            fleet.database.end_server("QUIT").await;
            fleet.balancer.ready(0).await;
            fleet.database.start_server().await;
            fleet.balancer.ready(GATEWAYS).await;
        })
        .await;
    fleet.every_job_ran_once().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_balancer_a_frozen_postgres_costs_nothing_but_time() {
    let mut fleet = Balanced::on(TestDatabase::on_its_own_server().await).await;
    fleet
        .under_load(async |fleet: &mut Balanced| {
            let frozen = fleet.database.freeze_server().await;
            fleet.balancer.ready(0).await;
            drop(frozen);
            fleet.balancer.ready(GATEWAYS).await;
        })
        .await;
    fleet.every_job_ran_once().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_balancer_itself_is_killed_with_every_socket_and_comes_back() {
    let mut fleet = Balanced::new().await;
    fleet
        .under_load(async |fleet: &mut Balanced| {
            for _ in 0..2 {
                fleet.balancer.kill();
                let connected = "ringback.session where gateway_id is not null";
                eventually("every socket should be gone", async || {
                    fleet.database.count(connected).await == 0
                })
                .await;
                fleet.balancer.start().await;
                fleet.goes_on().await;
            }
        })
        .await;
    fleet.every_job_ran_once().await;
}
