//! An ordinary apalis program on Ringback's queue.
//!
//! It pushes a job for the task `translate`, which any Ringback worker runs, and it runs, with apalis' own
//! `WorkerBuilder`, the jobs of a task of its own, `shout`, which any Ringback gateway queues: send
//! `{"action": "system_message", "payload": {"task_type": "shout", "content": "hello"}}` down a socket.
//!
//! ```sh
//! DATABASE_URL="$(ringback url)" cargo run --example apalis
//! ```

use anyhow::Context;
use apalis::prelude::{BoxDynError, Monitor, TaskSink, WorkerBuilder};
use ringback::postgres::Database;
use ringback::worker::Backend;

/// What `shout` does. Its result goes back to the socket that asked.
async fn shout(content: String) -> Result<String, BoxDynError> {
    Ok(format!("{}!", content.to_uppercase()))
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let url = std::env::var("DATABASE_URL")
        .context("set DATABASE_URL, for example to the output of `ringback url`")?;
    let database = Database::new(&url)?;

    let mut translations = Backend::<String>::new(database.clone(), "translate");
    translations.push("good morning".to_owned()).await?;

    let shouts = move |_run: usize| {
        let backend = Backend::<String>::new(database.clone(), "shout");
        WorkerBuilder::new("shouter").backend(backend).build(shout)
    };
    Monitor::new()
        .register(shouts)
        .run_with_signal(async { tokio::signal::ctrl_c().await })
        .await?;
    Ok(())
}
