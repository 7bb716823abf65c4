//! The task of `docs/tasks.md`.

use std::process::ExitCode;

use ringback::task::Options;
use ringback::{Context, Task, TaskError, Tasks};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Says things loudly.
struct Shout {
    mark: char,
}

/// What to shout.
#[derive(Deserialize, JsonSchema)]
struct Words {
    text: String,
    /// How loudly.
    #[schemars(range(min = 1, max = 10))]
    marks: usize,
}

/// What was shouted.
#[derive(Serialize, JsonSchema)]
struct Shouted {
    text: String,
}

impl Task for Shout {
    const NAME: &'static str = "shout";
    type Input = Words;
    type Output = Shouted;

    fn options(&self) -> Options {
        Options::new().max_attempts(3)
    }

    async fn run(&self, words: Words, context: &Context) -> anyhow::Result<Shouted> {
        context.progress(50.0, "taking a breath");
        if words.text.contains("whisper") {
            return Err(TaskError::permanent("that cannot be shouted").into());
        }
        let marks = self.mark.to_string().repeat(words.marks);
        let text = format!("{}{marks}", words.text.to_uppercase());
        context.chunk(&text).await;
        Ok(Shouted { text })
    }
}

fn main() -> ExitCode {
    ringback::run(Tasks::new().with(Shout { mark: '!' }))
}

#[cfg(test)]
mod tests {
    use ringback::testing::Ringback;
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn what_is_shouted_is_loud() -> anyhow::Result<()> {
        let ringback = Ringback::start(Tasks::new().with(Shout { mark: '!' })).await?;
        let job = ringback
            .submit("shout", json!({"text": "hello", "marks": 2}))
            .await?;
        ringback.run_until_idle().await?;
        let job = ringback.job(job).await?;
        assert_eq!(job.result, Some(json!({"text": "HELLO!!"})));
        Ok(())
    }
}
