//! What a script can tell from the end of a command.

/// An end that is neither simply good nor an accident.
#[derive(Debug, thiserror::Error)]
pub(super) enum Exit {
    /// What was asked makes no sense.
    #[error("{0}")]
    Usage(String),
    /// The job that was waited for has failed.
    #[error("{0}")]
    JobFailed(String),
    /// It was cancelled.
    #[error("{0}")]
    JobCancelled(String),
    /// It is not over.
    #[error("{0}")]
    NotOver(String),
    /// There is no such job, or it is not in a state for that.
    #[error("{0}")]
    NotDone(String),
    /// What was looked at is not as it should be.
    #[error("{0}")]
    NotWell(String),
    /// Nobody reads what it says any more.
    #[error("nobody reads any more")]
    Unread,
    /// Somebody wanted it to stop.
    #[error("stopped before the end")]
    Stopped,
}

/// What the codes mean, for the manual.
pub(super) const MEANINGS: &str = "\
Exit status:
  0    done; of a job that was waited for: it has succeeded
  1    it could not be done: the database is away, for example
  2    what was asked makes no sense
  3    the job that was waited for has failed
  4    the job that was waited for was cancelled
  5    the job that was waited for is not over
  6    there is no such job, or it is not in a state for that
  7    the doctor has found a problem
  130  stopped before the end
  141  nobody reads what it says any more";

impl Exit {
    /// The exit status.
    pub(super) fn code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::JobFailed(_) => 3,
            Self::JobCancelled(_) => 4,
            Self::NotOver(_) => 5,
            Self::NotDone(_) => 6,
            Self::NotWell(_) => 7,
            Self::Stopped => 130,
            Self::Unread => super::UNREAD,
        }
    }
}
