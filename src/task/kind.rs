//! A task as the rest of the program knows it: from JSON to JSON, whatever it is written as.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::circuit::Circuit;
use super::schema::{Schema, Side, sentences};
use super::{Context, Options, Task, TaskError, Wrong};

/// A kind of work: its name, its options, and how to do it.
#[derive(Clone)]
pub struct Kind {
    /// The stable name that clients ask for and the database stores.
    pub name: String,
    /// Where its jobs wait, how often they may fail, how long they may take, how many may run.
    pub options: Options,
    /// What its jobs work on.
    pub input: Schema,
    /// What they give back.
    pub output: Schema,
    /// What pauses it while what it calls is away.
    pub(super) circuit: Option<Arc<Circuit>>,
    /// Whether an input that has this form can be read as well.
    read: fn(&Value) -> Result<(), Wrong>,
    doubt: Option<Arc<dyn Fn() -> Option<String> + Send + Sync>>,
    overtime: Duration,
    close: Option<Arc<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>>,
    run: Arc<dyn Fn(Value, Context) -> Run + Send + Sync>,
}

/// One run of a task.
type Run = BoxFuture<'static, Result<Value, TaskError>>;

/// A task that is a closure from an input to an output, such as
/// `from_fn("shout", |text: String, _: Context| async move { Ok(text.to_uppercase()) })`.
pub fn from_fn<I, O, F>(
    name: impl Into<String>,
    run: impl Fn(I, Context) -> F + Clone + Send + Sync + 'static,
) -> Kind
where
    I: DeserializeOwned + JsonSchema + Send + 'static,
    O: Serialize + JsonSchema + 'static,
    F: Future<Output = anyhow::Result<O>> + Send + 'static,
{
    Kind {
        name: name.into(),
        options: Options::new(),
        input: Schema::of::<I>(Side::Input),
        output: Schema::of::<O>(Side::Output),
        circuit: None,
        read: |input| read::<I>(input).map(drop),
        doubt: None,
        overtime: Duration::ZERO,
        close: None,
        run: Arc::new(move |input, context| {
            let run = run.clone();
            Box::pin(async move {
                let input = read::<I>(&input).map_err(|wrong| unreadable(&[wrong]))?;
                // The input as it came is not needed while the task runs.
                let output = run(input, context).await;
                written(&output.map_err(|error| TaskError::of(&error))?)
            })
        }),
    }
}

/// A task that is no Rust, from any JSON to any JSON.
pub(super) fn from_json<F>(
    name: impl Into<String>,
    run: impl Fn(Value, Context) -> F + Send + Sync + 'static,
) -> Kind
where
    F: Future<Output = Result<Value, TaskError>> + Send + 'static,
{
    Kind {
        name: name.into(),
        options: Options::new(),
        input: Schema::anything(),
        output: Schema::anything(),
        circuit: None,
        read: |_| Ok(()),
        doubt: None,
        overtime: Duration::ZERO,
        close: None,
        run: Arc::new(move |input, context| Box::pin(run(input, context))),
    }
}

impl<T: Task> From<T> for Kind {
    fn from(task: T) -> Self {
        let options = task.options();
        let task = Arc::new(task);
        let run = move |input: T::Input, context: Context| {
            let task = Arc::clone(&task);
            async move { task.run(input, &context).await }
        };
        from_fn(T::NAME, run).with_options(options)
    }
}

impl Kind {
    /// The same with these options.
    #[must_use]
    pub fn with_options(mut self, options: Options) -> Self {
        self.options = options;
        self
    }

    /// The same, which may have something to say against being run on this machine.
    pub(super) fn with_doubt(
        mut self,
        doubt: impl Fn() -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.doubt = Some(Arc::new(doubt));
        self
    }

    /// What speaks against running it on this machine, such as a program that is not there yet.
    #[must_use]
    pub fn doubt(&self) -> Option<String> {
        self.doubt.as_ref().and_then(|doubt| doubt())
    }

    /// The same, whose work goes on elsewhere when an attempt is dropped: for so long, when it was told to end. `close` says
    /// that no more jobs come, and waits until nothing is left.
    pub(super) fn with_overtime(
        mut self,
        overtime: Duration,
        close: impl Fn() -> BoxFuture<'static, ()> + Send + Sync + 'static,
    ) -> Self {
        self.overtime = overtime;
        self.close = Some(Arc::new(close));
        self
    }

    /// For how long an attempt that was told to end is waited for, since dropping it would not end its work.
    #[must_use]
    pub fn overtime(&self) -> Duration {
        self.overtime
    }

    /// Says that no more jobs come, and waits until nothing of its work is left.
    pub async fn close(&self) {
        if let Some(close) = &self.close {
            close().await;
        }
    }

    /// An input as the task takes it.
    ///
    /// # Errors
    /// What is wrong with it: it does not have the form of the schema, or cannot be read.
    pub fn fit(&self, input: Value) -> Result<Value, Vec<Wrong>> {
        let input = self.input.fit(input)?;
        (self.read)(&input).map_err(|wrong| vec![wrong])?;
        Ok(input)
    }

    /// Runs it once, on an input that is what it should be. Others are a failure, and tried again: a newer program may
    /// have the task that they are for.
    pub fn run(&self, input: Value, context: Context) -> Run {
        match self.input.fit(input) {
            Ok(input) => (self.run)(input, context),
            Err(wrong) => Box::pin(async move { Err(unreadable(&wrong)) }),
        }
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kind")
            .field("name", &self.name)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

fn read<I: DeserializeOwned>(input: &Value) -> Result<I, Wrong> {
    serde_path_to_error::deserialize(input).map_err(|error| Wrong::unreadable(&error))
}

fn written(output: &impl Serialize) -> Result<Value, TaskError> {
    serde_json::to_value(output).map_err(|error| {
        let message = format!("its result could not be written as JSON: {error}");
        TaskError::permanent(message).with_code("outcome_unstorable")
    })
}

/// The failure of a job whose input is not one of its task.
fn unreadable(wrong: &[Wrong]) -> TaskError {
    let message = format!("its input is not one of this task: {}", sentences(wrong));
    TaskError::new(message).with_code("input_invalid")
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU8;

    use serde::Deserialize;
    use serde_json::json;
    use tokio_util::sync::CancellationToken;

    use super::super::{Again, Reporter};
    use super::*;
    use crate::ids::JobId;

    #[derive(Deserialize, JsonSchema)]
    struct Sum {
        numbers: Vec<NonZeroU8>,
        #[serde(default)]
        scale: Scale,
    }

    /// Only what is even, which its schema does not say.
    #[derive(Default, Deserialize, JsonSchema)]
    #[serde(try_from = "u32")]
    struct Scale(u32);

    impl TryFrom<u32> for Scale {
        type Error = String;

        fn try_from(scale: u32) -> Result<Self, String> {
            if scale.is_multiple_of(2) {
                Ok(Self(scale))
            } else {
                Err(format!("{scale} is odd"))
            }
        }
    }

    fn sum() -> Kind {
        from_fn("sum", |sum: Sum, context: Context| async move {
            let numbers = sum.numbers.iter().map(|&number| u32::from(number.get()));
            anyhow::ensure!(context.attempt < 3, "too late");
            Ok(numbers.sum::<u32>() * sum.scale.0.max(1))
        })
    }

    fn context(attempt: i32) -> Context {
        let reporter = Reporter::new(Arc::default());
        Context::new(
            JobId(uuid::Uuid::nil()),
            attempt,
            false,
            CancellationToken::new(),
            reporter,
        )
    }

    #[tokio::test]
    async fn a_closure_is_a_task_from_its_input_to_its_output() {
        let sum = sum();
        let input = json!({"numbers": [1, 2], "scale": 10});
        assert_eq!(sum.fit(input.clone()), Ok(input.clone()));
        assert_eq!(sum.run(input.clone(), context(1)).await, Ok(json!(30)));
        let late = sum.run(input, context(3)).await.unwrap_err();
        assert_eq!(
            (late.message.as_str(), late.again),
            ("too late", Again::Backoff)
        );
    }

    #[tokio::test]
    async fn what_is_no_input_of_it_is_said_with_its_path() {
        for (input, path, text) in [
            (json!({"numbers": [1, "2"]}), "numbers.1", "integer"),
            (json!({"numbers": [1, 0]}), "numbers.1", "minimum"),
            (json!({"numbers": [1], "scale": 3}), "scale", "3 is odd"),
            (json!({}), "numbers", "required"),
            (json!("1"), "", "object"),
        ] {
            let wrong = sum().fit(input.clone()).expect_err("it should be refused");
            assert_eq!(wrong[0].path.join("."), path, "{input}");
            assert!(wrong[0].message.contains(text), "{:?}", wrong[0]);
            let failed = sum().run(input, context(1)).await.unwrap_err();
            assert_eq!(
                (&*failed.code, failed.again),
                ("input_invalid", Again::Backoff)
            );
            assert!(failed.message.contains(text), "{failed}");
        }
    }
}
