//! Which of several databases a request is about.

use std::sync::Arc;

use axum::RequestExt;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::super::Shared;
use super::super::front::Front;
use super::super::identify::Who;
use super::Refused;
use super::answer::Answer;
use super::callback::JobToken;
use super::query::{Id, Query};
use crate::auth::Scope;
use crate::openapi::{Operation, Reach};
use crate::shards::MOST;
use crate::wire::ErrorItem;

/// The gateways of all shards, of those that are there, for what is done everywhere.
#[derive(Clone)]
pub(super) struct Everywhere(Vec<Option<Shared>>);

/// Where a request is to be done.
enum Target {
    One(Shared),
    Each(Everywhere),
}

/// Gives a request the gateway of the shard that it is about, or all of them.
pub(super) async fn direct(
    State((front, operation)): State<(Arc<Front>, Operation)>,
    mut request: Request,
    next: Next,
) -> Response {
    match find(&front, operation, &mut request).await {
        Ok(Target::One(shared)) => _ = request.extensions_mut().insert(shared),
        Ok(Target::Each(each)) => _ = request.extensions_mut().insert(each),
        Err(refused) => return refused.into_response(),
    }
    next.run(request).await
}

async fn find(
    front: &Front,
    operation: Operation,
    request: &mut Request,
) -> Result<Target, Refused> {
    let who = request.extensions().get::<Who>().cloned();
    let Some(Who(who)) = who else {
        // Whoever has the token of a job is sent to that job; strangers make nobody look for one.
        let JobToken(token) = request.extract_parts().await?;
        let Id(job) = request.extract_parts().await?;
        return match front.any().filter(|_| !token.is_well_formed()) {
            Some(any) => Ok(Target::One(Arc::clone(any))),
            None => front.of_job(job).await.map(Target::One),
        };
    };
    // Nobody else has anything in another.
    let looks_around = who.owner().is_none() || operation.needs() == Some(Scope::MetricsRead);
    let reach = operation.reach();
    if reach.may_be_named() && looks_around {
        let query = request.extract_parts::<Query>().await?;
        // Where there is one, any number means that one.
        let most = if front.count() == 1 {
            MOST
        } else {
            front.count()
        };
        if let Some(number) = query.shard(most)?
            && let Some(shared) = front.numbered(number)
        {
            let shared = shared?;
            return Ok(match reach {
                Reach::Everywhere => Target::Each(Everywhere(vec![Some(shared)])),
                _ => Target::One(shared),
            });
        }
        if reach == Reach::Job
            && let Ok(Id(job)) = request.extract_parts::<Id>().await
        {
            return front.of_job(job).await.map(Target::One);
        }
    }
    match reach {
        Reach::Everywhere => {
            let all = front.places().map(|(_, shared)| shared.cloned());
            Ok(Target::Each(Everywhere(all.collect())))
        }
        Reach::Anywhere => front.of_or_any(&who.subject).map(Target::One),
        _ => front.of(&who.subject).map(Target::One),
    }
}

impl Everywhere {
    /// Does something in one after the other, whatever becomes of the others: answers as the last does, or with why the
    /// first has refused.
    pub(super) async fn in_turn<F>(self, work: impl Fn(Shared) -> F) -> Answer
    where
        F: Future<Output = Answer>,
    {
        let mut answer = None;
        for shared in self.0 {
            let this = match shared {
                Some(shared) => work(shared).await,
                None => Err(ErrorItem::away().into()),
            };
            answer = match answer {
                Some(Err(refused)) => Some(Err(refused)),
                _ => Some(this),
            };
        }
        answer.expect("there is always one")
    }
}
