//! Says the outline of a text while it reads it: a task that streams, asks for another job, and is a closure beside it.
//!
//! ```sh
//! cargo run --example outline -- dev
//! cargo run --example outline -- submit outline --input '{"markdown": "# One\nfew words\n## Two\nand more"}' --wait --stream
//! ```

use std::process::ExitCode;

use ringback::task::{FollowUp, from_fn};
use ringback::{Context, Task, Tasks};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Says the headings of a text, each with how many words stand under it.
struct Outline;

/// A text in Markdown.
#[derive(Deserialize, JsonSchema)]
struct Text {
    markdown: String,
    /// Whether the longest section is to be shouted about, by a job of its own.
    #[serde(default)]
    shout: bool,
}

/// A heading.
#[derive(Clone, Serialize, JsonSchema)]
struct Section {
    depth: usize,
    title: String,
    words: usize,
}

impl Task for Outline {
    const NAME: &'static str = "outline";
    type Input = Text;
    type Output = Vec<Section>;

    async fn run(&self, text: Text, context: &Context) -> anyhow::Result<Vec<Section>> {
        let mut sections: Vec<Section> = Vec::new();
        let mut said = 0;
        for line in text.markdown.lines() {
            let title = line.trim_start_matches('#');
            let depth = line.len() - title.len();
            if depth > 0 {
                // What is known of the section before is complete now.
                say(&sections[said..], context).await;
                said = sections.len();
                sections.push(Section {
                    depth,
                    title: title.trim().to_owned(),
                    words: 0,
                });
            } else if let Some(section) = sections.last_mut() {
                section.words += line.split_whitespace().count();
            }
        }
        say(&sections[said..], context).await;
        let longest = sections.iter().max_by_key(|section| section.words);
        if let Some(longest) = longest.filter(|_| text.shout) {
            // Stored in the transaction that stores this result.
            context.enqueue(FollowUp::new("shout", longest.title.as_str()))?;
        }
        Ok(sections)
    }
}

async fn say(sections: &[Section], context: &Context) {
    for Section {
        depth,
        title,
        words,
    } in sections
    {
        let indent = "  ".repeat(depth - 1);
        context
            .chunk(&format!("{indent}{title} ({words} words)\n"))
            .await;
    }
}

fn main() -> ExitCode {
    let shout = from_fn("shout", |text: String, _: Context| async move {
        Ok(text.to_uppercase())
    });
    ringback::run(Tasks::new().with(Outline).with(shout))
}
