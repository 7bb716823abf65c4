//! Sessions: what outlives a socket, and the mailbox of what it has missed.

mod expire;
mod mailbox;
mod upkeep;

use std::time::Duration;

use sqlx::PgConnection;
use uuid::Uuid;

use crate::auth::Secret;
use crate::ids::{GatewayId, JobId, SessionId};
use crate::postgres::Fault;

pub use expire::expire;
pub use mailbox::{Pending, Unread, acknowledge, unread};
pub use upkeep::{forward, keep, leave_all, let_go};

/// A gateway's hold on a session, for one socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seat {
    /// The session.
    pub session: SessionId,
    /// Which of its sockets: a later one has a higher epoch.
    pub epoch: i64,
    /// The last notice that the client has said it has.
    pub notified: i64,
}

/// Begins a session whose socket is at `gateway`.
///
/// # Errors
/// Those of the database.
pub async fn start(
    connection: &mut PgConnection,
    token: &Secret,
    owner: &str,
    gateway: GatewayId,
) -> Result<Seat, sqlx::Error> {
    let session = SessionId(Uuid::new_v4());
    let notified = sqlx::query_scalar!(
        r#"
        insert into ringback.session (id, token_hash, owner, gateway_id, notified)
        values ($1, $2, $3, $4, (select coalesce(max(last_number), 0) from ringback.notice_group where name = 'system'))
        returning notified
        "#,
        session.0,
        &token.hash(),
        owner,
        gateway.0
    )
    .fetch_one(connection)
    .await?;
    Ok(Seat {
        session,
        epoch: 1,
        notified,
    })
}

/// Gives a session to a socket at `gateway`, if it was not left for longer than `keep`.
///
/// The gateway of the socket that had it is told. Nothing, where there is no such session, or the token is not its own.
///
/// # Errors
/// Those of the database.
pub async fn take_over(
    connection: &mut PgConnection,
    session: SessionId,
    token: &Secret,
    owner: &str,
    gateway: GatewayId,
    keep: Duration,
) -> Result<Option<Seat>, sqlx::Error> {
    let mut hints = true;
    loop {
        let taken = sqlx::query_file!(
            "src/session/take_over.sql",
            session.0,
            &token.hash(),
            owner,
            gateway.0,
            keep.as_secs_f64(),
            hints
        )
        .fetch_optional(&mut *connection)
        .await;
        match taken {
            Err(error) if hints && Fault::is_lost_hint(&error) => hints = false,
            taken => {
                return Ok(taken?.map(|row| Seat {
                    session,
                    epoch: row.epoch,
                    notified: row.notified,
                }));
            }
        }
    }
}

/// Makes jobs the session's: those that are still live, and, into its mailbox, those that are over.
///
/// Two statements that commit by themselves: no lock is held while we are not heard of.
///
/// # Errors
/// Those of the database.
pub async fn adopt(
    connection: &mut PgConnection,
    session: SessionId,
    jobs: &[JobId],
) -> Result<(), sqlx::Error> {
    let ids: Vec<Uuid> = jobs.iter().map(|job| job.0).collect();
    sqlx::query!(
        "update ringback.job set session_id = $1 where id = any ($2)",
        session.0,
        &ids
    )
    .execute(&mut *connection)
    .await?;
    // After the update, which waits for a finish under way: what it did not find is in the history by now.
    sqlx::query!(
        r#"
        with over as (
            update ringback.job_history set session_id = $1 where id = any ($2) returning id
        )
        insert into ringback.mailbox (session_id, job_id) select $1, id from over on conflict do nothing
        "#,
        session.0,
        &ids
    )
    .execute(connection)
    .await
    .map(|_| ())
}

/// The socket of this seat has gone. If another one has taken the session over, nothing changes.
///
/// # Errors
/// Those of the database.
pub async fn leave(connection: &mut PgConnection, seat: Seat) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update ringback.session set gateway_id = null, seen_at = clock_timestamp() where id = $1 and epoch = $2",
        seat.session.0,
        seat.epoch
    )
    .execute(connection)
    .await
    .map(|_| ())
}
