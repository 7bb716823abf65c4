//! What an operator does beside jobs: notices, queues, and how things are.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;

use super::super::Shared;
use super::super::identify::Who;
use super::Refused;
use super::answer::{Answer, json};
use super::body::JsonBody;
use super::query::QueueName;
use crate::notice;
use crate::postgres::link::limited;
use crate::queue::Deed;
use crate::queue::queues::is_unknown;
use crate::queue::{fleet, queues, stats, tasks};
use crate::wire::{
    ErrorItem, ErrorType, MessageId, QueueList, QueueState, SYSTEM_GROUP, SentNotice, TaskList,
    parse_notice,
};

pub(super) async fn notify(
    State(shared): State<Shared>,
    who: Who,
    JsonBody(body): JsonBody,
) -> Answer {
    let new = parse_notice(&body)?;
    let text = std::slice::from_ref(&new.content);
    who.record(&shared, Deed::SendNotice, text).await?;
    let ttl = new.ttl.map(Duration::from_secs_f64);
    let ttl = ttl.unwrap_or(shared.settings.keep_notices);
    let sent = limited(async {
        let mut database = shared.database.pool().acquire().await?;
        // First, so that nothing can go wrong once it is sent.
        let gateways = fleet::gateways_alive(&mut *database).await?;
        let number = notice::send(&mut database, SYSTEM_GROUP, &new.content, ttl).await?;
        Ok(SentNotice {
            id: MessageId::Notice(number),
            gateways,
        })
    });
    match sent.await {
        Ok(sent) => Ok(json(StatusCode::ACCEPTED, &sent)),
        Err(error) => Err(Refused::by_the_database(&error, "send a notice")),
    }
}

pub(super) async fn tasks(State(shared): State<Shared>) -> Answer {
    match limited(tasks::list(shared.database.browsing())).await {
        Ok(tasks) => Ok(json(StatusCode::OK, &TaskList { tasks })),
        Err(error) => Err(Refused::by_the_database(&error, "list the tasks")),
    }
}

pub(super) async fn queues(State(shared): State<Shared>) -> Answer {
    match limited(queues::all(shared.database.browsing())).await {
        Ok(queues) => Ok(json(StatusCode::OK, &QueueList { queues })),
        Err(error) => Err(Refused::by_the_database(&error, "list the queues")),
    }
}

pub(super) async fn pause(
    State(shared): State<Shared>,
    who: Who,
    QueueName(name): QueueName,
) -> Answer {
    let queue = std::slice::from_ref(&name);
    who.record(&shared, Deed::PauseQueue, queue).await?;
    match limited(queues::pause(shared.database.pool(), &name)).await {
        Ok(()) => Ok(json(StatusCode::OK, &QueueState { name, paused: true })),
        Err(error) if is_unknown(&error) => {
            let msg = "There is no such queue";
            Err(ErrorItem::new(ErrorType::NotFound, &["path", "name"], msg).into())
        }
        Err(error) => Err(Refused::by_the_database(&error, "pause a queue")),
    }
}

pub(super) async fn resume(
    State(shared): State<Shared>,
    who: Who,
    QueueName(name): QueueName,
) -> Answer {
    let queue = std::slice::from_ref(&name);
    who.record(&shared, Deed::ResumeQueue, queue).await?;
    let resumed = limited(async {
        let mut database = shared.database.pool().acquire().await?;
        queues::resume(&mut database, &name).await
    });
    match resumed.await {
        Ok(()) => Ok(json(
            StatusCode::OK,
            &QueueState {
                name,
                paused: false,
            },
        )),
        Err(error) => Err(Refused::by_the_database(&error, "let a queue go on")),
    }
}

pub(super) async fn stats(State(shared): State<Shared>) -> Answer {
    let stats = limited(async {
        let mut database = shared.database.browsing().acquire().await?;
        stats::stats(&mut database).await
    });
    match stats.await {
        Ok(stats) => Ok(json(StatusCode::OK, &stats)),
        Err(error) => Err(Refused::by_the_database(&error, "say how things are")),
    }
}
