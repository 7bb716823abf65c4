//! Giving a socket its session, and what that has missed.
//!
//! The order is what makes it whole: first the session's messages are turned to this socket, then everything that was
//! missed is read in one statement, then what was heard of meanwhile is looked at.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use sqlx::PgConnection;
use uuid::Uuid;

use super::Shared;
use super::connection::Connection;
use crate::auth::Secret;
use crate::ids::{JobId, SessionId};
use crate::queue::report::Position;
use crate::session::{self, Seat};
use crate::wire::{ErrorItem, Frame, PendingJob, ResumePayload, ResumedPayload, ServerMessage};

/// How long a client that wants its session waits for the database.
const PATIENCE: Duration = Duration::from_secs(10);

/// Resumes the session that is asked for, or begins one, and answers.
pub(super) async fn resume(
    shared: &Shared,
    connection: &Arc<Connection>,
    reference: Option<String>,
    asked: Option<ResumePayload>,
) {
    let resumed = shared.database.run_for(PATIENCE, async |database| {
        let have = asked.as_ref().map(have).unwrap_or_default();
        let session = open(database, shared, &connection.identity().subject, asked).await?;
        let left = shared.hub.belong(connection, session.seat);
        if let Some(left) = left {
            session::leave(database, left).await?;
        }
        catch_up(
            database,
            shared,
            connection,
            reference.clone(),
            session,
            &have,
        )
        .await
    });
    if let Err(error) = resumed.await {
        tracing::warn!(%error, connection.id = %connection.id, "could not resume a session");
        shared.hub.part(connection);
        let message = ServerMessage::Error(vec![ErrorItem::no_session()]);
        connection.send(Frame::answering(message, reference).encode().into());
    }
}

/// Where the client is in the texts of its jobs; what names no job is none of ours.
fn have(asked: &ResumePayload) -> HashMap<JobId, Position> {
    let places = asked
        .have
        .iter()
        .flatten()
        .filter_map(|(job, (attempt, seq))| {
            let job = JobId(Uuid::parse_str(job).ok()?);
            let (attempt, seq) = (*attempt, *seq);
            Some((job, Position { attempt, seq }))
        });
    places.collect()
}

/// A session that this socket has from now on.
struct Opened {
    seat: Seat,
    token: Secret,
    recovered: bool,
}

/// The session that is asked for; if there is none, or it is another's, a new one.
async fn open(
    database: &mut PgConnection,
    shared: &Shared,
    owner: &str,
    asked: Option<ResumePayload>,
) -> Result<Opened, sqlx::Error> {
    if let Some(asked) = asked
        && let Ok(id) = Uuid::parse_str(&asked.session)
    {
        let token = Secret::given(asked.token);
        let keep = shared.settings.keep.sessions;
        let taken =
            session::take_over(database, SessionId(id), &token, owner, shared.gateway, keep);
        if let Some(seat) = taken.await? {
            return Ok(Opened {
                seat,
                token,
                recovered: true,
            });
        }
    }
    let token = Secret::random();
    let seat = session::start(database, &token, owner, shared.gateway).await?;
    Ok(Opened {
        seat,
        token,
        recovered: false,
    })
}

async fn catch_up(
    database: &mut PgConnection,
    shared: &Shared,
    connection: &Arc<Connection>,
    reference: Option<String>,
    opened: Opened,
    have: &HashMap<JobId, Position>,
) -> Result<(), sqlx::Error> {
    let session = opened.seat.session;
    // What this socket has asked for before it resumed is the session's from now on.
    let jobs = connection.jobs();
    if !jobs.is_empty() {
        session::adopt(database, session, &jobs).await?;
    }
    let mut unread = session::unread(database, &[session]).await?;
    let unread = unread.remove(&session).unwrap_or_default();
    let pending = unread.pending.iter().map(|pending| PendingJob {
        job_id: pending.id,
        state: pending.state.clone(),
        progress: pending.progress.clone(),
    });
    let message = ServerMessage::Resumed(ResumedPayload {
        session,
        token: opened.token.reveal().to_owned(),
        recovered: opened.recovered,
        pending: pending.collect(),
    });
    let text = Frame::answering(message, reference).encode();
    let look = shared.hub.resumed(connection, text.into(), &unread, have);
    if !look.is_empty() {
        // Where there is no room, they are found by polling.
        let _ = shared.wanted.try_send(look);
    }
    Ok(())
}
