//! How an attempt fails.

use std::borrow::Cow;
use std::time::Duration;

/// The code of a failure that has none of its own.
const FAILED: &str = "task_failed";

/// How an attempt failed: a code and a sentence, and whether to try again.
///
/// Any error of a task is one of these: those that are not, are tried again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TaskError {
    /// A stable code for the client and the history: `task_failed`, unless the task says another.
    pub code: Cow<'static, str>,
    /// A sentence for the client and the history.
    pub message: String,
    /// Whether to try again.
    pub again: Again,
}

/// Whether a failed attempt is followed by another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// With growing delays, until the attempts are used up.
    Backoff,
    /// After this time, until the attempts are used up.
    After(Duration),
    /// After this time, and this start of it is no attempt: nothing was begun.
    Postponed(Duration),
    /// Not at all.
    Never,
    /// It has not failed: for at most this time it waits for whoever was given its
    /// [`Callback`](super::Callback) to say how it went.
    Waiting(Duration),
}

impl TaskError {
    /// A failure that may be tried again.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            code: Cow::Borrowed(FAILED),
            message: message.into(),
            again: Again::Backoff,
        }
    }

    /// A failure that is tried again after this time, such as the one that a rate limit names.
    pub fn after(message: impl Into<String>, delay: Duration) -> Self {
        Self {
            again: Again::After(delay),
            ..Self::new(message)
        }
    }

    /// No failure: nothing could be begun, such as while what the task needs is known to be away. The job comes back
    /// after this time, as often as it takes, and that is held against nothing.
    pub fn postponed(message: impl Into<String>, delay: Duration) -> Self {
        Self {
            again: Again::Postponed(delay),
            ..Self::new(message)
        }
    }

    /// No failure: whoever was given the job's [`Callback`](super::Callback) says how it went, within this time.
    #[must_use]
    pub fn waiting(limit: Duration) -> Self {
        Self {
            again: Again::Waiting(limit),
            ..Self::new("it waits to be called back")
        }
    }

    /// A failure that trying again cannot mend.
    pub fn permanent(message: impl Into<String>) -> Self {
        Self {
            again: Again::Never,
            ..Self::new(message)
        }
    }

    /// The same with a code of one's own, by which clients know it from others.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<Cow<'static, str>>) -> Self {
        self.code = code.into();
        self
    }

    /// What a task gave back as its error: with everything that led to it, and, where one of these is inside, its code
    /// and its wish.
    pub(super) fn of(error: &anyhow::Error) -> Self {
        let message = format!("{error:#}");
        match error.downcast_ref::<Self>() {
            Some(inner) => Self {
                message,
                ..inner.clone()
            },
            None => Self::new(message),
        }
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn an_error_keeps_its_wish_when_others_say_what_was_being_done() {
        let gone = TaskError::permanent("there is no such picture").with_code("gone");
        let error = Err::<(), _>(gone).context("could not resize").unwrap_err();
        let found = TaskError::of(&error);
        assert_eq!(found.message, "could not resize: there is no such picture");
        assert_eq!((&*found.code, found.again), ("gone", Again::Never));
    }

    #[test]
    fn any_other_error_is_tried_again() {
        let error = anyhow::anyhow!("no answer").context("could not ask");
        let found = TaskError::of(&error);
        assert_eq!(found, TaskError::new("could not ask: no answer"));
    }
}
