//! What work is: a name, options, and an async function from an input to an output.
//!
//! A task knows nothing of queues, sockets or Postgres. In Rust it is a type with the trait [`Task`], or a closure
//! ([`from_fn`]); whatever it is written as, the rest of the program knows it as a [`Kind`], from JSON to JSON.

mod callback;
mod circuit;
mod circuits;
mod command;
mod context;
mod demonstration;
mod environment;
mod error;
pub mod file;
mod follow_up;
pub mod form;
mod function;
mod kind;
mod limits;
mod options;
mod report;
mod retry;
mod schema;
mod tasks;
mod words;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use callback::Callback;
pub use circuit::Open;
pub use circuits::Circuits;
pub use context::Context;
pub use environment::Environment;
pub use error::{Again, TaskError};
pub use follow_up::{FollowUp, FollowUps};
pub use kind::{Kind, from_fn};
pub use limits::{Limits, Rate};
pub use options::Options;
pub use report::{Progress, Reporter};
pub use retry::RetryDelay;
pub use schema::{Schema, Wrong, WrongKind, sentences};
pub use tasks::Tasks;
pub use words::{readable, shortened};

/// The queue of tasks that name none.
pub const DEFAULT_QUEUE: &str = "default";

/// The task that runs what no other task is named for, where it is registered.
pub const FALLBACK: &str = "default";

/// How often a job may fail before it ends as failed, unless its task says otherwise.
pub const DEFAULT_MAX_ATTEMPTS: i32 = 5;

/// Work of one kind, as a type: its fields are what all of its jobs share, such as a pool of connections.
///
/// ```
/// use ringback::task::{Context, Options, Task};
/// use schemars::JsonSchema;
/// use serde::{Deserialize, Serialize};
///
/// struct Resize;
///
/// #[derive(Deserialize, JsonSchema)]
/// struct Picture {
///     url: String,
///     /// In pixels.
///     #[schemars(range(min = 1, max = 4096))]
///     width: u32,
/// }
///
/// #[derive(Serialize, JsonSchema)]
/// struct Resized {
///     url: String,
/// }
///
/// impl Task for Resize {
///     const NAME: &'static str = "resize";
///     type Input = Picture;
///     type Output = Resized;
///
///     fn options(&self) -> Options {
///         Options::new().max_attempts(3)
///     }
///
///     async fn run(&self, picture: Picture, context: &Context) -> anyhow::Result<Resized> {
///         context.progress(50.0, "half way");
///         Ok(Resized { url: format!("{}?w={}", picture.url, picture.width) })
///     }
/// }
/// ```
pub trait Task: Send + Sync + 'static {
    /// The stable name that clients ask for and the database stores. Jobs are found by it, so it outlives the type's.
    const NAME: &'static str;

    /// What a job works on. What does not fit is refused when it is submitted.
    type Input: DeserializeOwned + JsonSchema + Send + 'static;

    /// What a job gives back.
    type Output: Serialize + JsonSchema + Send + 'static;

    /// Where its jobs wait, how often they may fail, how long they may take, how many may run.
    fn options(&self) -> Options {
        Options::new()
    }

    /// Does one job, once.
    ///
    /// An error is tried again with growing delays until the attempts are used up; a [`TaskError`] says otherwise, and
    /// is found also inside of others. A panic is an error too. The future may be dropped wherever it waits: when
    /// somebody wants the job to end, when its time is over, or when the worker stops. What blocks its thread goes into
    /// [`Context::blocking`].
    fn run(
        &self,
        input: Self::Input,
        context: &Context,
    ) -> impl Future<Output = anyhow::Result<Self::Output>> + Send;
}
