//! A process for each job: the content on its standard input, the result on its standard output.

use std::borrow::Cow;
use std::process::ExitStatus;
use std::sync::Arc;

use serde_json::Value;
use tokio::net::unix::pipe;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::super::{Context, TaskError};
use super::ended::{explained, failed, not_started, told, too_large};
use super::output::{Line, Lines, Output, PIECE, Tail, write};
use super::process::{Cause, Pipes, Process, Third};
use super::result::{of_json, of_text};
use super::said::{Said, What};
use super::{Command, Form, deadline};

/// The longest line on descriptor 3.
const LONGEST_LINE: usize = 64 * 1024;

/// Does one job.
///
/// On a task of its own: when the execution is dropped, that still ends the process, and keeps the slot until it has. When
/// the runtime is dropped as well, the guardian ends it.
pub(super) async fn run(
    command: Arc<Command>,
    task: Arc<str>,
    input: Value,
    context: Context,
) -> Result<Value, TaskError> {
    let job = async move { run_to_its_end(&command, &task, &input, &context).await };
    match Handle::current().spawn(job.in_current_span()).await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is over, and so is this.
            Err(_) => std::future::pending().await,
        },
    }
}

async fn run_to_its_end(
    command: &Command,
    task: &str,
    input: &Value,
    context: &Context,
) -> Result<Value, TaskError> {
    let mut variables = vec![
        ("RINGBACK_JOB", context.job.to_string()),
        ("RINGBACK_ATTEMPT", context.attempt.to_string()),
        ("RINGBACK_TASK", task.to_owned()),
    ];
    variables.extend(deadline(context).map(|at| ("RINGBACK_DEADLINE", at.to_string())));
    variables.extend(
        context
            .traceparent()
            .map(|it| ("TRACEPARENT", it.to_owned())),
    );
    let started = Process::start(command, &variables, &Third::Open);
    let (mut process, pipes, third) = started.map_err(|error| not_started(&error))?;
    let Pipes {
        input: stdin,
        output,
        mut errors,
    } = pipes;
    let (too_much, over) = (CancellationToken::new(), CancellationToken::new());
    let ending = async {
        let cause = tokio::select! {
            biased;
            () = process.ended() => Cause::Itself,
            () = context.cancelled() => process.end().await,
            () = too_much.cancelled() => {
                process.end().await;
                Cause::Itself
            }
        };
        let status = process.close();
        over.cancel();
        (cause, status)
    };
    let ((cause, status), (), output, errors, ()) = tokio::join!(
        ending,
        feed(stdin, input, &over),
        read_all(output, command.max_output, &too_much, &over),
        Tail::read(&mut errors, &over),
        listen(third, context, &over),
    );
    let status =
        status.map_err(|error| TaskError::new(format!("the command was lost: {error}")))?;
    match (cause, output) {
        // However well it ended: it was not done.
        (Cause::Told, _) => Err(told(status, &errors)),
        (Cause::Itself, None) => Err(explained(too_large(command.max_output), &errors)),
        (Cause::Itself, Some(output)) => result(status, output, &errors, command.form),
    }
}

/// What became of it.
fn result(
    status: ExitStatus,
    output: Vec<u8>,
    errors: &Tail,
    form: Form,
) -> Result<Value, TaskError> {
    if !status.success() {
        return Err(failed(status, errors));
    }
    let said = errors.text();
    if !said.is_empty() {
        tracing::debug!(stderr = ?said, "a command that succeeded has said something");
    }
    let result = match form {
        Form::Text => of_text(output),
        Form::Json => of_json(&output),
    };
    result.map_err(|error| explained(error, errors))
}

/// A text as it is, anything else as JSON; then there is no more.
async fn feed(stdin: pipe::Sender, input: &Value, over: &CancellationToken) {
    let text = match input {
        Value::String(text) => Cow::Borrowed(text),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Cow::Owned(input.to_string())
        }
    };
    let _unread = write(&stdin, text.as_bytes(), over).await;
}

/// All of it, unless it is `too_much`: then that is said, and the rest is read and dropped.
async fn read_all(
    mut output: Output,
    limit: usize,
    too_much: &CancellationToken,
    over: &CancellationToken,
) -> Option<Vec<u8>> {
    let (mut all, mut buffer) = (Vec::new(), Box::new([0; PIECE]));
    loop {
        let bytes = output.next(&mut buffer, over).await;
        // A newline at the end is not counted.
        if bytes.is_empty() {
            let fits = all.len() <= limit || all.ends_with(b"\n");
            return (fits && !too_much.is_cancelled()).then_some(all);
        }
        if all.len() + bytes.len() > limit + 1 {
            too_much.cancel();
            all = Vec::new();
        }
        if !too_much.is_cancelled() {
            all.extend_from_slice(bytes);
        }
    }
}

/// Passes on what it says on descriptor 3.
async fn listen(third: Option<Output>, context: &Context, over: &CancellationToken) {
    let Some(mut third) = third else { return };
    let (mut lines, mut buffer) = (Lines::default(), Box::new([0; PIECE]));
    loop {
        let bytes = third.next(&mut buffer, over).await;
        lines.add(bytes);
        while let Some(line) = lines.next(LONGEST_LINE) {
            hear(&line, context).await;
        }
        if bytes.is_empty() {
            break;
        }
    }
    if let Some(line) = lines.last() {
        hear(&line, context).await;
    }
}

async fn hear(line: &Line, context: &Context) {
    let said = match line {
        Line::Whole(line) => Said::parse(line).unwrap_or_default(),
        Line::TooLong => None,
    };
    match said.map(|said| said.what) {
        Some(What::Progress { percent, note }) => {
            context.progress(percent, note.as_deref().unwrap_or_default());
        }
        Some(What::Chunk(text)) => context.chunk(&text).await,
        Some(What::Answer(_)) | None => {
            tracing::debug!("a line of a command on descriptor 3 is neither progress nor a chunk");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    #[test]
    fn what_is_no_result_is_told_with_what_was_said_of_it() {
        let mut errors = Tail::default();
        errors.add(b"a warning\n");
        let output = b"no JSON".to_vec();
        let error = result(ExitStatus::from_raw(0), output, &errors, Form::Json).unwrap_err();
        assert_eq!(&*error.code, "result_invalid");
        assert!(error.message.ends_with(": a warning"), "{error}");
    }
}
