//! How the whole system is: now, from now on, and over time.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::Extension;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::response::sse::{self, KeepAlive, Sse};
use futures_util::{StreamExt, stream};
use tokio::sync::watch;

use super::super::Shared;
use super::super::crowd::Place;
use super::super::identify::Who;
use super::Refused;
use super::answer::{Answer, json};
use super::events::{COME_BACK, PULSE};
use super::query::Query;
use crate::queue::{overview, samples};
use crate::shutdown::Stop;
use crate::wire::ErrorItem;

/// What the event is called.
const OVERVIEW: &str = "overview";

pub(super) async fn now(Extension(shared): Extension<Shared>) -> Answer {
    let overview = shared
        .database
        .browse(async |database| overview::overview(database).await);
    match overview.await {
        Ok(overview) => Ok(json(StatusCode::OK, &overview)),
        Err(error) => Err(Refused::by_the_database(
            &error,
            "say how the whole system is",
        )),
    }
}

pub(super) async fn samples(Extension(shared): Extension<Shared>, query: Query) -> Answer {
    let span = query.span()?;
    match shared
        .database
        .browse(async |connection| samples::during(connection, span).await)
        .await
    {
        Ok(samples) => Ok(json(StatusCode::OK, &samples)),
        Err(error) => Err(Refused::by_the_database(&error, "say how things were")),
    }
}

pub(super) async fn follow(Extension(shared): Extension<Shared>, who: Who) -> Answer {
    let place = who.stay(&shared)?;
    let Some(news) = shared.feed.follow() else {
        return Err(ErrorItem::busy().into());
    };
    let following = Following {
        _place: place,
        news,
        stop: shared.stop.clone(),
        is_first: true,
    };
    let events = stream::unfold(following, |mut following| async {
        let event = following.next().await?;
        Some((Ok::<_, Infallible>(event), following))
    });
    let events = events.take_until(who.over());
    let pulse = KeepAlive::new().interval(PULSE);
    Ok(Sse::new(events).keep_alive(pulse).into_response())
}

/// A request that follows how the system is.
struct Following {
    _place: Option<Place<Arc<str>>>,
    news: watch::Receiver<Option<Arc<str>>>,
    stop: Stop,
    is_first: bool,
}

impl Following {
    /// The next event; none, when the gateway stops.
    async fn next(&mut self) -> Option<sse::Event> {
        if self.is_first {
            self.is_first = false;
            return Some(sse::Event::default().retry(COME_BACK));
        }
        loop {
            tokio::select! {
                changed = self.news.changed() => changed.ok()?,
                () = self.stop.cancelled() => return None,
            }
            if let Some(overview) = &*self.news.borrow_and_update() {
                return Some(sse::Event::default().event(OVERVIEW).data(overview));
            }
        }
    }
}
