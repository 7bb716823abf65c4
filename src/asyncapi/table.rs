//! What the types of the wire do not say about their messages: titles, examples, and which answers which.

mod clients;
mod closes;
mod errors;
mod failures;
mod refusals;
mod server;

use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::ids::{JobId, SessionId};
use crate::wire::{ClientMessage, ServerMessage};

pub(super) use clients::from_clients;
pub(super) use closes::closes;
pub(super) use errors::errors;
pub(super) use failures::failures;
pub(super) use server::from_the_server;

/// Whether `answer` can be the direct answer to `question`.
pub(super) fn is_answered_by(question: &ClientMessage, answer: &ServerMessage) -> bool {
    match question {
        ClientMessage::Ping => matches!(answer, ServerMessage::Pong(()) | ServerMessage::Error(_)),
        ClientMessage::SystemMessage(_) | ClientMessage::RetryJob(_) => {
            matches!(
                answer,
                ServerMessage::JobQueued(_) | ServerMessage::Error(_)
            )
        }
        ClientMessage::SubmitJobs(_) => matches!(
            answer,
            ServerMessage::JobsQueued(_) | ServerMessage::Error(_)
        ),
        ClientMessage::CancelJob(_) => matches!(
            answer,
            ServerMessage::JobCancelling(_) | ServerMessage::Error(_)
        ),
        ClientMessage::Resume(_) => {
            matches!(answer, ServerMessage::Resumed(_) | ServerMessage::Error(_))
        }
        ClientMessage::Ack(_) => matches!(answer, ServerMessage::Error(_)),
        ClientMessage::Authenticate(_) => matches!(
            answer,
            ServerMessage::Authenticated(_) | ServerMessage::Error(_)
        ),
    }
}

/// Whether `message` can come later, because of `question`.
pub(super) fn is_followed_by(question: &ClientMessage, message: &ServerMessage) -> bool {
    let is_outcome = matches!(
        message,
        ServerMessage::JobResult(_) | ServerMessage::JobFailed(_) | ServerMessage::JobCancelled(_)
    );
    let is_report = matches!(
        message,
        ServerMessage::JobProgress(_) | ServerMessage::JobChunk(_)
    );
    let is_notice = matches!(message, ServerMessage::SystemNotification(_));
    match question {
        ClientMessage::Ping | ClientMessage::Ack(_) | ClientMessage::Authenticate(_) => false,
        ClientMessage::SystemMessage(_)
        | ClientMessage::SubmitJobs(_)
        | ClientMessage::RetryJob(_) => is_outcome || is_report,
        ClientMessage::CancelJob(_) => is_outcome,
        ClientMessage::Resume(_) => is_outcome || is_report || is_notice,
    }
}

/// Whether a message can come without being the answer to one.
pub(super) fn comes_unasked(message: &ServerMessage) -> bool {
    match message {
        ServerMessage::Pong(())
        | ServerMessage::JobQueued(_)
        | ServerMessage::JobsQueued(_)
        | ServerMessage::JobCancelling(_)
        | ServerMessage::Resumed(_)
        | ServerMessage::Authenticated(_) => false,
        // An error comes unasked for a frame that is no message at all.
        ServerMessage::JobResult(_)
        | ServerMessage::JobFailed(_)
        | ServerMessage::JobCancelled(_)
        | ServerMessage::JobProgress(_)
        | ServerMessage::JobChunk(_)
        | ServerMessage::SystemNotification(_)
        | ServerMessage::Error(_) => true,
    }
}

/// One message of the contract.
pub(super) struct Row<M> {
    /// Any message of this kind.
    pub(super) message: M,
    /// The name of its schema, and of its class in a generated client.
    pub(super) title: &'static str,
    /// The fields that can stand beside its payload.
    pub(super) beside: &'static [&'static str],
    /// What it looks like, in the form of the document.
    pub(super) examples: Vec<Value>,
}

const TASK_TYPE: &str = "translate";
const CONTENT: &str = "hello";
const MARK: &str = "7";
const NEXT_MARK: &str = "8";
const NOTICE: &str = "The server restarts at noon.";
const TOKEN: &str = "the secret that only this client has";
const TICKET: &str = "a ticket that was bought a moment ago";
const SESSION: SessionId = SessionId(Uuid::from_u128(0x6a0f_4f0e_52c1_4d0c_9a35_8f1b_7d2e_90c3));
const KEY: &str = "0b7e6c1e-8f0f-4a8c-9c56-3a0f2f1d7f55";
const OTHER_JOB: JobId = JobId(Uuid::from_u128(0x0197_6f2c_8a40_7b3e_9d51_2f8c_6a7e_40b2));
const JOB: JobId = JobId(Uuid::from_u128(0x0197_6f2c_8a40_7b3e_9d51_2f8c_6a7e_40b1));

fn example(summary: &str, frame: &impl Serialize) -> Value {
    json!({ "summary": summary, "payload": frame })
}

/// A client's message with a mark beside it, which its answer repeats.
fn marked(message: &ClientMessage) -> Value {
    let mut frame = json!(message);
    frame["ref"] = json!(MARK);
    frame
}

/// The name of a message on the wire.
pub(super) fn action(message: &impl Serialize) -> String {
    let frame = serde_json::to_value(message)
        .expect("a message is strings, numbers and JSON values, which all encode");
    frame["action"]
        .as_str()
        .expect("every message carries its action")
        .to_owned()
}
