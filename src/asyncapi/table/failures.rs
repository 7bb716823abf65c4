//! The codes of `job_failed`: when a job ends so, and what it looks like.

use serde_json::{Value, json};

use super::{JOB, example};
use crate::wire::failed_message;

/// A way in which a job fails for good.
struct Failure {
    code: &'static str,
    when: &'static str,
    advice: &'static str,
    /// What the client is told, for example.
    sentence: &'static str,
    attempts: i32,
}

const ALL: [Failure; 12] = [
    Failure {
        code: "task_failed",
        when: "The task said so, and its attempts are used up, or it asked not to be tried again.",
        advice: "Read the sentence; `retry_job` gives it another chance.",
        sentence: "the dictionary cannot be opened",
        attempts: 3,
    },
    Failure {
        code: "task_panicked",
        when: "The task panicked at its last attempt.",
        advice: "Mend the task, then retry.",
        sentence: "the task panicked: index out of bounds: the len is 3 but the index is 3",
        attempts: 3,
    },
    Failure {
        code: "time_limit",
        when: "The task took longer than it may, at its last attempt.",
        advice: "Give it less to do, or more time, then retry.",
        sentence: "the task took longer than 30s",
        attempts: 2,
    },
    Failure {
        code: "task_unknown",
        when: "The worker does not have the task any more.",
        advice: "Start a worker that has it, then retry.",
        sentence: "no task is called translate",
        attempts: 1,
    },
    Failure {
        code: "input_invalid",
        when: "The task cannot read its input.",
        advice: "Submit what the task works on.",
        sentence: "its input is not what the task works on: invalid type: map, expected a string at line 1 column 0",
        attempts: 1,
    },
    Failure {
        code: "result_too_large",
        when: "The result is larger than a worker accepts: 1 MiB, unless it was told otherwise.",
        advice: "Store the result elsewhere, and give back where.",
        sentence: "its result is larger than 1048576 bytes; store it elsewhere and give back where, or raise RINGBACK_MAX_RESULT",
        attempts: 1,
    },
    Failure {
        code: "outcome_unstorable",
        when: "The result cannot be stored, for example for a NUL in it.",
        advice: "Mend the task.",
        sentence: "its outcome could not be stored: unsupported Unicode escape sequence",
        attempts: 1,
    },
    Failure {
        code: "worker_lost",
        when: "The job lost its worker three times: it may be what ends them.",
        advice: "Find out why before you retry: it may end another worker.",
        sentence: "its worker was lost 3 times",
        attempts: 3,
    },
    Failure {
        code: "exit_3",
        when: "The command of the task ended with this exit code; every other has its own. 75, 126 and 127 are tried again.",
        advice: "Read the sentence: it has the end of what the command said on standard error.",
        sentence: "exit code 3: there is no such picture",
        attempts: 1,
    },
    Failure {
        code: "signal_9",
        when: "The command of the task was ended by this signal at its last attempt; every other has its own.",
        advice: "Find out who sent it: 9 is often the system's, for want of memory.",
        sentence: "signal 9",
        attempts: 5,
    },
    Failure {
        code: "command_not_started",
        when: "The command of the task could not be started, at its last attempt.",
        advice: "Put the program where the worker looks for it, then retry.",
        sentence: "the command could not be started: there is no program thumb in its PATH",
        attempts: 5,
    },
    Failure {
        code: "result_invalid",
        when: "The output of the command is no result: not UTF-8, or no JSON where it should be.",
        advice: "Mend the command.",
        sentence: "its output is no JSON: EOF while parsing a value at line 1 column 0",
        attempts: 1,
    },
];

/// The table of the document.
pub(in crate::asyncapi) fn failures() -> Vec<Value> {
    let row = |failure: &Failure| json!({ "code": failure.code, "when": failure.when, "advice": failure.advice });
    ALL.iter().map(row).collect()
}

/// An example of each.
pub(super) fn failed() -> Vec<Value> {
    let shown = |failure: &Failure| {
        let (code, sentence) = (failure.code.to_owned(), failure.sentence.to_owned());
        let frame = failed_message(JOB, code, sentence, failure.attempts);
        let mut example = example(failure.when.trim_end_matches('.'), &frame);
        example["name"] = json!(failure.code);
        example
    };
    ALL.iter().map(shown).collect()
}
