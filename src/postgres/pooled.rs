//! Statements on their way through a pooler that gives a server process for each transaction.
//!
//! What is prepared on such a process is not there the next time, and in the way of whoever has it then. Where the pooler
//! does not see to that, everything is done within a transaction, and what was prepared in it goes with it: that takes
//! four more round trips.

use sqlx::{Connection, PgConnection};

use crate::config::Pooler;

/// What a connection is used for, which says how long its statements may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// By one part of this process, for as long as it is there.
    Own,
    /// By whoever has something short to do.
    Shared,
    /// By whoever looks around.
    Browsing,
}

/// What is said of the planner at the start of other connections, and how long a forgotten transaction may hold what it has.
macro_rules! begin {
    ($more:literal) => {
        concat!(
            "begin; set local enable_seqscan = off; set local enable_mergejoin = off; set local jit = off; \
             set local idle_in_transaction_session_timeout = '20s'",
            $more
        )
    };
}

impl Use {
    fn begin(self) -> &'static str {
        match self {
            Self::Own => begin!(""),
            Self::Shared => {
                begin!("; set local statement_timeout = '8s'; set local lock_timeout = '2s'")
            }
            Self::Browsing => begin!(
                "; set local statement_timeout = '8s'; set local lock_timeout = '2s'; set local enable_bitmapscan = off"
            ),
        }
    }
}

/// Does `work` on a connection, so that the pooler, if there is one, can serve it.
pub(super) async fn on<T>(
    connection: &mut PgConnection,
    pooler: Pooler,
    used: Use,
    work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
) -> Result<T, sqlx::Error> {
    if pooler != Pooler::Transaction {
        return work(connection).await;
    }
    // Boxed, since it is large, and not for everybody.
    Box::pin(in_transaction(connection, used, work)).await
}

async fn in_transaction<T>(
    connection: &mut PgConnection,
    used: Use,
    work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
) -> Result<T, sqlx::Error> {
    let mut transaction = connection.begin_with(used.begin()).await?;
    let done = work(&mut transaction).await;
    transaction.clear_cached_statements().await?;
    match done {
        Ok(done) => {
            transaction.commit().await?;
            Ok(done)
        }
        Err(error) => {
            transaction.rollback().await?;
            Err(error)
        }
    }
}
