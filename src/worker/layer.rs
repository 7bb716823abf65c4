//! The layer that apalis puts around every task: it hands what became of the job to the finisher.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use apalis_core::error::BoxDynError;
use apalis_core::layers::{Layer, Service};
use apalis_core::task::Task;
use futures_util::future::BoxFuture;
use serde::Serialize;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{self, error::TrySendError};
use tracing::Instrument;

use super::ending::succeeded;
use super::execution::fate_of;
use super::figures;
use super::finisher::Outcome;
use super::held::{Claim, Fate, Held};
use crate::queue::Why;
use crate::shutdown::Stop;
use crate::task::RetryDelay;

/// How long an execution that was asked to end may still take.
const CANCEL_GRACE: Duration = Duration::from_millis(500);

/// Makes [`FinishService`]s.
#[derive(Clone, Debug)]
pub struct FinishLayer {
    pub(super) outcomes: mpsc::Sender<Outcome>,
    pub(super) held: Held,
    pub(super) stop: Stop,
    /// The largest result, in bytes.
    pub(super) max_result: usize,
    /// How long the executions of some tasks are waited for when they were told to end: dropping them is not their end.
    pub(super) overtimes: Arc<BTreeMap<String, Duration>>,
}

impl FinishLayer {
    /// Hands over what became of `claim`; waits while the finisher cannot keep up, and the slot is not free before.
    async fn answer(&self, claim: &Claim, fate: Fate) {
        self.held.answered(claim.job.id, claim.job.claim_id);
        if self.outcomes.send(outcome(claim, fate)).await.is_err() {
            // The finisher has given up or died: nothing more can be recorded here, so nothing more
            // is to be started, and the worker's silence gives its jobs to another.
            self.stop.cancel();
        }
    }

    /// The same without waiting: where there is no room, a task of its own waits for it and keeps the slot meanwhile.
    pub(super) fn answer_now(&self, claim: Arc<Claim>, fate: Fate) {
        self.held.answered(claim.job.id, claim.job.claim_id);
        if let Err(TrySendError::Full(Outcome { fate, .. })) =
            self.outcomes.try_send(outcome(&claim, fate))
        {
            let finish = self.clone();
            // Without a runtime the worker is over, and its silence gives the job to another.
            if let Ok(runtime) = Handle::try_current() {
                runtime.spawn(async move { finish.answer(&claim, fate).await });
            }
        }
    }
}

impl<S> Layer<S> for FinishLayer {
    type Service = FinishService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        FinishService {
            inner,
            finish: self.clone(),
        }
    }
}

/// Runs the inner service and hands its outcome to the finisher.
#[derive(Clone, Debug)]
pub struct FinishService<S> {
    inner: S,
    finish: FinishLayer,
}

impl<S, Args> Service<Task<Args>> for FinishService<S>
where
    S: Service<Task<Args>>,
    S::Response: Serialize + Send + 'static,
    S::Error: Into<BoxDynError>,
    S::Future: Send + 'static,
{
    type Response = ();
    type Error = BoxDynError;
    type Future = BoxFuture<'static, Result<(), BoxDynError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, task: Task<Args>) -> Self::Future {
        let Some(claim) = task.data().get::<Arc<Claim>>().cloned() else {
            return Box::pin(async { Err("this task did not come from Ringback's queue".into()) });
        };
        let (dropped, cancelled) = (claim.dropped.clone(), claim.cancelled.clone());
        let overtime = self.finish.overtimes.get(&claim.job.task).copied();
        let overtime = overtime.unwrap_or_default();
        let span = claim.begin().span();
        let mut unanswered = Unanswered {
            claim: Some(claim),
            finish: self.finish.clone(),
        };
        let run = span.in_scope(|| self.inner.call(task)).instrument(span);
        Box::pin(async move {
            let run = async { run.await.map_err(Into::<BoxDynError>::into) };
            tokio::pin!(run);
            let late = async {
                cancelled.cancelled().await;
                tokio::time::sleep(overtime.max(CANCEL_GRACE)).await;
            };
            let result = tokio::select! {
                result = &mut run => result,
                // Answered by what is dropped here: the job goes back to its queue, if it is still ours; and one that
                // was asked to end, ends there.
                () = dropped.cancelled() => {
                    cancelled.cancel();
                    match tokio::time::timeout(overtime, &mut run).await {
                        Ok(Ok(response)) => Ok(response),
                        Ok(Err(_)) | Err(_) => return Err("the execution was dropped".into()),
                    }
                }
                () = late => return Err("the execution was cancelled".into()),
            };
            if let Some(claim) = unanswered.claim.take() {
                let fate = match &result {
                    Ok(response) => {
                        let then = claim.follow_ups.take();
                        Fate::Ended(succeeded(response, unanswered.finish.max_result, then))
                    }
                    Err(error) => fate_of(&claim, error.as_ref()),
                };
                unanswered.finish.answer(&claim, fate).await;
            }
            result.map(|_| ())
        })
    }
}

fn outcome(claim: &Claim, fate: Fate) -> Outcome {
    figures::count(claim, &fate);
    let failures = claim.job.failures.saturating_add(1);
    Outcome {
        job: claim.job.id,
        claim_id: claim.job.claim_id,
        fate,
        spare: (failures < claim.job.max_attempts).then(|| RetryDelay::default().after(failures)),
    }
}

/// A claim whose execution was dropped before it could answer must not stay running for ever.
struct Unanswered {
    claim: Option<Arc<Claim>>,
    finish: FinishLayer,
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        if let Some(claim) = self.claim.take() {
            self.finish
                .answer_now(claim, Fate::PutBack(Why::Interrupted));
        }
    }
}
