//! What can be wrong with who asks.

use std::time::Duration;

use super::{ErrorItem, ErrorType};
use crate::auth::Scope;

impl ErrorItem {
    /// Nobody knows who asks over HTTP, for this reason.
    #[must_use]
    pub fn unauthorized(reason: &str) -> Self {
        let reason = sentence(reason);
        Self::new(
            ErrorType::Unauthorized,
            &["header", "Authorization"],
            reason,
        )
    }

    /// Nobody knows who asks on a socket, since its ticket is none.
    #[must_use]
    pub fn no_ticket() -> Self {
        Self::new(
            ErrorType::Unauthorized,
            &["authenticate", "payload", "ticket"],
            "There is no such ticket; a ticket is good once, for 30 seconds",
        )
    }

    /// The ticket is somebody else's.
    #[must_use]
    pub fn other_subject() -> Self {
        Self::new(
            ErrorType::Forbidden,
            &["authenticate", "payload", "ticket"],
            "The ticket is another subject's; open another socket for it",
        )
    }

    /// Who asks may not do this.
    #[must_use]
    pub fn needs(scope: Scope, loc: &[&str]) -> Self {
        let msg = format!("This needs a token with the scope {}", scope.name());
        Self::new(ErrorType::Forbidden, loc, msg)
    }

    /// Who asks does so too often, or has too much open.
    #[must_use]
    pub fn rate_limited(msg: &str, after: Duration) -> Self {
        let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        Self {
            retry_after: Some(u32::try_from(seconds).unwrap_or(u32::MAX).max(1)),
            ..Self::new(ErrorType::RateLimited, &[], msg)
        }
    }

    /// Too many jobs of one subject wait.
    #[must_use]
    pub fn too_many_waiting(most: u64) -> Self {
        let msg = format!("{most} jobs of yours are not over, which is the most; try again");
        Self {
            retry_after: Some(5),
            ..Self::new(ErrorType::Busy, &[], msg)
        }
    }

    /// Nobody can tell who asks: the keys of tokens cannot be fetched.
    #[must_use]
    pub fn keys_away() -> Self {
        Self {
            retry_after: Some(10),
            ..Self::new(
                ErrorType::Unavailable,
                &["header", "Authorization"],
                "The keys that tokens are signed with cannot be fetched; try again",
            )
        }
    }

    /// The database cannot be reached, and with it no ticket.
    #[must_use]
    pub fn not_authenticated() -> Self {
        Self {
            retry_after: Some(5),
            ..Self::new(
                ErrorType::Unavailable,
                &["authenticate"],
                "The database cannot be reached, or has no room; try again to authenticate",
            )
        }
    }
}

/// The same with a capital.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}
