//! What an operator does beside jobs: notices, queues, and how things are.

use std::time::Duration;

use axum::extract::Extension;
use axum::http::StatusCode;
use axum::response::Response;

use super::super::Shared;
use super::super::identify::Who;
use super::Refused;
use super::answer::{Answer, json};
use super::body::JsonBody;
use super::direct::Everywhere;
use super::query::QueueName;
use crate::notice;
use crate::queue::Deed;
use crate::queue::queues::is_unknown;
use crate::queue::{fleet, queues, stats, tasks};
use crate::wire::{
    ErrorItem, ErrorType, MessageId, NewNotice, QueueList, QueueState, SYSTEM_GROUP, SentNotice,
    TaskList, parse_notice,
};

pub(super) async fn notify(
    Extension(everywhere): Extension<Everywhere>,
    who: Who,
    JsonBody(body): JsonBody,
) -> Answer {
    let new = parse_notice(&body)?;
    everywhere.in_turn(|shared| send(shared, &who, &new)).await
}

async fn send(shared: Shared, who: &Who, new: &NewNotice) -> Answer {
    let text = std::slice::from_ref(&new.content);
    who.record(&shared, Deed::SendNotice, text).await?;
    let ttl = new.ttl.map(Duration::from_secs_f64);
    let ttl = ttl.unwrap_or(shared.settings.keep.notices);
    let sent = shared.database.run(async |database| {
        // First, so that nothing can go wrong once it is sent.
        let gateways = fleet::gateways_alive(&mut *database).await?;
        let number = notice::send(database, SYSTEM_GROUP, &new.content, ttl).await?;
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

pub(super) async fn tasks(Extension(shared): Extension<Shared>) -> Answer {
    match shared
        .database
        .browse(async |connection| tasks::list(connection).await)
        .await
    {
        Ok(tasks) => Ok(json(StatusCode::OK, &TaskList { tasks })),
        Err(error) => Err(Refused::by_the_database(&error, "list the tasks")),
    }
}

pub(super) async fn queues(Extension(shared): Extension<Shared>) -> Answer {
    match shared
        .database
        .browse(async |connection| queues::all(connection).await)
        .await
    {
        Ok(queues) => Ok(json(StatusCode::OK, &QueueList { queues })),
        Err(error) => Err(Refused::by_the_database(&error, "list the queues")),
    }
}

pub(super) async fn pause(
    Extension(everywhere): Extension<Everywhere>,
    who: Who,
    QueueName(name): QueueName,
) -> Answer {
    everywhere
        .in_turn(|shared| pause_in(shared, &who, &name))
        .await
}

async fn pause_in(shared: Shared, who: &Who, name: &str) -> Answer {
    who.record(&shared, Deed::PauseQueue, &[name.to_owned()])
        .await?;
    let paused = shared
        .database
        .run(async |connection| queues::pause(connection, name).await);
    match paused.await {
        Ok(()) => Ok(state(name, true)),
        Err(error) if is_unknown(&error) => {
            let msg = "There is no such queue";
            Err(ErrorItem::new(ErrorType::NotFound, &["path", "name"], msg).into())
        }
        Err(error) => Err(Refused::by_the_database(&error, "pause a queue")),
    }
}

pub(super) async fn resume(
    Extension(everywhere): Extension<Everywhere>,
    who: Who,
    QueueName(name): QueueName,
) -> Answer {
    everywhere
        .in_turn(|shared| resume_in(shared, &who, &name))
        .await
}

async fn resume_in(shared: Shared, who: &Who, name: &str) -> Answer {
    who.record(&shared, Deed::ResumeQueue, &[name.to_owned()])
        .await?;
    let resumed = shared
        .database
        .run(async |database| queues::resume(database, name).await);
    match resumed.await {
        Ok(()) => Ok(state(name, false)),
        Err(error) => Err(Refused::by_the_database(&error, "let a queue go on")),
    }
}

fn state(name: &str, paused: bool) -> Response {
    let name = name.to_owned();
    json(StatusCode::OK, &QueueState { name, paused })
}

pub(super) async fn stats(Extension(shared): Extension<Shared>) -> Answer {
    let stats = shared
        .database
        .browse(async |database| stats::stats(database).await);
    match stats.await {
        Ok(stats) => Ok(json(StatusCode::OK, &stats)),
        Err(error) => Err(Refused::by_the_database(&error, "say how things are")),
    }
}
