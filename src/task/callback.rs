//! A promise to be told later how a job went.

use futures_util::future::BoxFuture;

use super::TaskError;
use crate::auth::Secret;

/// Where whoever works on a job says how it went, and what with.
#[derive(Clone, Debug)]
pub struct Callback {
    /// The address, for a POST.
    pub url: String,
    /// For `Authorization: Bearer`; good for this attempt, and once for its end.
    pub token: Secret,
}

/// What makes a callback for a job; it is stored by then.
pub(super) type Expect = dyn Fn() -> BoxFuture<'static, Result<Callback, TaskError>> + Send + Sync;
