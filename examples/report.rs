//! Writes the orders of some days as CSV: a task that shares a pool of connections, and says how far it is.
//!
//! It expects a table `orders (id bigint, placed_on date, customer text, amount numeric)` in the database `SHOP_URL`.
//!
//! ```sh
//! SHOP_URL=postgres://localhost/shop cargo run --example report -- dev
//! cargo run --example report -- submit report --input '{"from": "2026-01-01", "to": "2026-01-31"}' --wait
//! ```

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use futures_util::TryStreamExt;
use ringback::task::Options;
use ringback::{Context, Task, TaskError, Tasks};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

/// Writes reports into a folder.
struct Report {
    shop: PgPool,
    folder: PathBuf,
}

/// The days to report of, both included.
#[derive(Deserialize, JsonSchema)]
struct Days {
    from: jiff::civil::Date,
    to: jiff::civil::Date,
}

/// A report.
#[derive(Serialize, JsonSchema)]
struct Written {
    file: PathBuf,
    orders: u64,
}

#[derive(sqlx::FromRow, Serialize)]
struct Order {
    id: i64,
    placed_on: String,
    customer: String,
    amount: String,
}

impl Task for Report {
    const NAME: &'static str = "report";
    type Input = Days;
    type Output = Written;

    fn options(&self) -> Options {
        Options::new().time_limit(std::time::Duration::from_secs(600))
    }

    async fn run(&self, days: Days, context: &Context) -> anyhow::Result<Written> {
        if days.to < days.from {
            return Err(TaskError::permanent("the last day is before the first").into());
        }
        let (from, to) = (days.from.to_string(), days.to.to_string());
        let all: i64 = sqlx::query_scalar(
            "select count(*) from orders where placed_on between $1::date and $2::date",
        )
        .bind(&from)
        .bind(&to)
        .fetch_one(&self.shop)
        .await
        .context("could not count the orders")?;
        let mut orders = sqlx::query_as::<_, Order>(
            "select id, placed_on::text, customer, amount::text from orders
             where placed_on between $1::date and $2::date order by placed_on, id",
        )
        .bind(&from)
        .bind(&to)
        .fetch(&self.shop);

        // Whole or not at all, however often it is begun.
        let unfinished = tempfile::NamedTempFile::new_in(&self.folder)?;
        let mut csv = csv::Writer::from_writer(unfinished.as_file());
        let mut written: u32 = 0;
        while let Some(order) = orders.try_next().await.context("could not read an order")? {
            csv.serialize(order)?;
            written += 1;
            if written.is_multiple_of(500) {
                let percent = 100.0 * f64::from(written) / all.max(1) as f64;
                context.progress(percent, &format!("{written} of {all} orders"));
            }
        }
        csv.flush()?;
        drop(csv);
        let file = self.folder.join(format!("orders-{from}-{to}.csv"));
        unfinished.persist(&file)?;
        Ok(Written {
            file,
            orders: written.into(),
        })
    }
}

fn main() -> ExitCode {
    ringback::run_with(async || {
        let url = std::env::var("SHOP_URL").context("set SHOP_URL to the shop's database")?;
        let folder = std::env::var_os("REPORTS").map_or_else(|| ".".into(), PathBuf::from);
        // It connects when it is first used.
        let shop = PgPoolOptions::new().max_connections(4).connect_lazy(&url)?;
        Ok(Tasks::new().with(Report { shop, folder }))
    })
}
