//! Whose a request is, and whether they may do what it asks for.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Shared;
use super::access::Auth;
use super::api::Refused;
use super::crowd::Place;
use super::front::Front;
use super::subjects::{Grant, Subject};
use crate::auth::{Identity, Refusal, Scope};
use crate::queue::jobs::Filter;
use crate::queue::{Actor, Deed, operator_log};
use crate::wire::{ErrorItem, Job, TOO_FAST};

/// When it is worth trying again where there was no place.
pub(super) const LATER: Duration = Duration::from_secs(10);

/// Whose a request is.
#[derive(Clone, Debug)]
pub(super) struct Who(pub(super) Arc<Identity>);

impl Who {
    /// Who they are among those that this gateway counts; none, where that is everybody.
    pub(super) fn subject(&self, shared: &Shared) -> Option<Arc<Subject>> {
        shared.subjects.named(&self.0.subject)
    }

    /// Whether so many jobs of theirs may be submitted.
    pub(super) fn grant(&self, shared: &Shared, jobs: usize) -> Result<Grant, Refused> {
        let subject = self.subject(shared);
        let granted = shared.subjects.grant(subject.as_deref(), jobs);
        granted.map_err(Refused::from)
    }

    /// A place among their sockets: for what is open as long as one of those.
    pub(super) fn stay(&self, shared: &Shared) -> Result<Option<Place<Arc<str>>>, Refused> {
        let Some(subject) = self.subject(shared) else {
            return Ok(None);
        };
        let place = shared.subjects.open(&subject);
        place.map(Some).ok_or_else(|| {
            let msg = "Too many sockets and streams of this subject are open";
            ErrorItem::rate_limited(msg, LATER).into()
        })
    }

    /// Waits until their token has ended.
    pub(super) fn over(&self) -> impl Future<Output = ()> + Send + use<> {
        let until = self.0.until;
        async move {
            match until.map(|until| until.duration_since(SystemTime::now())) {
                Some(left) => tokio::time::sleep(left.unwrap_or_default()).await,
                None => std::future::pending().await,
            }
        }
    }

    /// Which jobs they may look after.
    pub(super) fn actor(&self) -> Actor {
        match self.0.owner() {
            Some(owner) => Actor::Owner(owner.to_owned()),
            None => Actor::Operator,
        }
    }

    /// Records what an operator is about to do; what somebody does with what is theirs is nobody's business.
    pub(super) async fn record(
        &self,
        shared: &Shared,
        deed: Deed,
        on_what: &[String],
    ) -> Result<(), Refused> {
        if self.0.owner().is_some() && deed != Deed::SendNotice {
            return Ok(());
        }
        let who = Some(&*self.0.subject);
        let recorded = shared
            .database
            .run(async |connection| operator_log::record(connection, who, deed, on_what).await);
        let recorded = recorded.await;
        recorded.map_err(|error| Refused::by_the_database(&error, "record what an operator does"))
    }

    /// Whether a job is one of those.
    pub(super) fn may_see(&self, job: &Job) -> bool {
        self.0.owner().is_none_or(|owner| job.owner == owner)
    }

    /// Of jobs that are looked for, those.
    pub(super) fn only_theirs(&self, filter: Filter) -> Filter {
        match self.0.owner() {
            Some(owner) => filter.of(owner),
            None => filter,
        }
    }
}

/// What [`identify`] has found out.
impl<S: Send + Sync> FromRequestParts<S> for Who {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        let known = parts.extensions.get::<Self>().cloned();
        known.ok_or_else(|| ErrorItem::unauthorized("Give a token: Authorization: Bearer …").into())
    }
}

/// Lets pass what comes from somebody who may do it.
pub(super) async fn identify(
    State((front, needs)): State<(Arc<Front>, Option<Scope>)>,
    mut request: Request,
    next: Next,
) -> Response {
    let who = match of(request.headers(), &front).await {
        Ok(who) => who,
        Err(refused) => return refused.into_response(),
    };
    if let Some(scope) = needs.filter(|scope| !who.0.may(*scope)) {
        return Refused::from(ErrorItem::needs(scope, &["header", "Authorization"]))
            .into_response();
    }
    // However fast somebody asks, it is their own gateway that counts it, or another while that is away.
    if let Ok(shared) = front.of_or_any(&who.0.subject)
        && let Some(subject) = who.subject(&shared)
        && let Err(after) = subject.ask()
    {
        return Refused::from(ErrorItem::rate_limited(TOO_FAST, after)).into_response();
    }
    request.extensions_mut().insert(who);
    next.run(request).await
}

/// Whose a request with these headers is.
pub(super) async fn of(headers: &HeaderMap, front: &Front) -> Result<Who, Refused> {
    let Auth::Tokens(tokens) = &front.settings.access.auth else {
        return Ok(Who(Arc::clone(&front.anyone)));
    };
    let token = bearer(headers).ok_or_else(|| {
        ErrorItem::unauthorized("Give a token: Authorization: Bearer …, or a ticket on a socket")
    })?;
    match tokens.check(token).await {
        Ok(identity) => Ok(Who(Arc::new(identity))),
        Err(Refusal::Unknown) => Err(ErrorItem::keys_away().into()),
        Err(refusal) => Err(ErrorItem::unauthorized(&refusal.to_string()).into()),
    }
}

/// The one token that the headers have.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (given.next(), given.next()) else {
        return None;
    };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| token.trim_start())
}
