//! What the end of a process means for its job.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::io::Errno;

use super::super::TaskError;
use super::output::Tail;

/// What the system has too little of when a process cannot be started now.
const SHORTAGES: [Errno; 4] = [Errno::MFILE, Errno::NFILE, Errno::AGAIN, Errno::NOMEM];

/// When it is tried again then.
const SHORTAGE: Duration = Duration::from_secs(1);

/// Of a process that has ended without a result.
pub(super) fn failed(status: ExitStatus, errors: &Tail) -> TaskError {
    let (words, code) = match (status.code(), status.signal()) {
        (Some(code), _) => (format!("exit code {code}"), format!("exit_{code}")),
        (None, Some(signal)) => (format!("signal {signal}"), format!("signal_{signal}")),
        (None, None) => (status.to_string(), "task_failed".to_owned()),
    };
    let message = with_errors(&words, errors);
    let error = match status.code() {
        // What a program says that has no time now, and what says that a program could not be started: it may be on its
        // way. Signals come from outside; a shell says with 128 and more that what it had started was ended by one.
        Some(75 | 126 | 127 | 129..=192) | None => TaskError::new(message),
        Some(_) => TaskError::permanent(message),
    };
    error.with_code(code)
}

/// Of one that was told to end, since its job is to end.
pub(super) fn told(status: ExitStatus, errors: &Tail) -> TaskError {
    TaskError::new(failed(status, errors).message)
}

/// Of a process that could not be started. What the system has too little of is not held against its job.
pub(super) fn not_started(error: &std::io::Error) -> TaskError {
    let message = format!("the command could not be started: {error}");
    let shortage = Errno::from_io_error(error).filter(|errno| SHORTAGES.contains(errno));
    let failure = match shortage {
        Some(_) => {
            tracing::warn!(%error, "a command could not be started now; its job is tried again in a second");
            TaskError::postponed(message, SHORTAGE)
        }
        None => TaskError::new(message),
    };
    failure.with_code("command_not_started")
}

/// Of one whose output was larger than it may be.
pub(super) fn too_large(limit: usize) -> TaskError {
    let message = format!(
        "its output is larger than {limit} bytes; store it elsewhere and give back where, or raise max_output"
    );
    TaskError::permanent(message).with_code("result_too_large")
}

/// Of one whose output is no result.
pub(super) fn invalid(message: &str) -> TaskError {
    TaskError::permanent(message).with_code("result_invalid")
}

/// The same, with what the process has said of it.
pub(super) fn explained(error: TaskError, errors: &Tail) -> TaskError {
    TaskError {
        message: with_errors(&error.message, errors),
        ..error
    }
}

/// A sentence, and what the process has said of it.
pub(super) fn with_errors(words: &str, errors: &Tail) -> String {
    let errors = errors.text();
    match errors.is_empty() {
        true => words.to_owned(),
        false => format!("{words}: {errors}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::Again;
    use super::*;

    #[test]
    fn only_some_ends_are_tried_again() {
        let mut errors = Tail::default();
        errors.add(b"one\ntwo\n");
        let exit = |code: i32| ExitStatus::from_raw(code << 8);
        for (status, code, message, again) in [
            (exit(3), "exit_3", "exit code 3: one\ntwo", Again::Never),
            (
                exit(75),
                "exit_75",
                "exit code 75: one\ntwo",
                Again::Backoff,
            ),
            (
                exit(127),
                "exit_127",
                "exit code 127: one\ntwo",
                Again::Backoff,
            ),
            (
                exit(137),
                "exit_137",
                "exit code 137: one\ntwo",
                Again::Backoff,
            ),
            (
                exit(255),
                "exit_255",
                "exit code 255: one\ntwo",
                Again::Never,
            ),
            (
                ExitStatus::from_raw(9),
                "signal_9",
                "signal 9: one\ntwo",
                Again::Backoff,
            ),
        ] {
            let error = failed(status, &errors);
            assert_eq!(
                (&*error.code, error.message.as_str(), error.again),
                (code, message, again)
            );
        }
        assert_eq!(failed(exit(1), &Tail::default()).message, "exit code 1");
    }

    #[test]
    fn a_process_that_is_not_started_for_want_of_something_costs_no_attempt() {
        for errno in SHORTAGES {
            let error = not_started(&errno.into());
            assert_eq!(error.again, Again::Postponed(SHORTAGE), "{error}");
        }
        let error = not_started(&std::io::Error::other("there is no program a"));
        assert_eq!(error.again, Again::Backoff);
        assert_eq!(not_started(&Errno::ACCESS.into()).again, Again::Backoff);
    }
}
