//! How far one socket is with the notices to its group, and how it catches up from the table when it is behind.

use axum::extract::ws::Utf8Bytes;

use super::{Connection, State, wake};
use crate::notice::Notice;
use crate::wire::Frame;

/// How far a socket is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Notices {
    /// It is sent each when it is heard of; `last` was the last.
    Live { last: i64 },
    /// It has those up to a number; the next ones wait in the table.
    Behind(Behind),
}

/// What a socket that is behind has to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::gateway) struct Behind {
    /// It was sent all up to this number.
    pub(in crate::gateway) after: i64,
    /// The last that was heard of meanwhile.
    heard: i64,
}

impl Default for Notices {
    fn default() -> Self {
        Self::Live { last: 0 }
    }
}

impl Notices {
    /// Everything after `number` is to be read.
    pub(super) fn behind(number: i64) -> Self {
        Self::Behind(Behind {
            after: number,
            heard: number,
        })
    }

    /// The last that was sent.
    pub(super) fn sent(self) -> i64 {
        match self {
            Self::Live { last } => last,
            Self::Behind(behind) => behind.after,
        }
    }
}

impl Connection {
    /// A notice to everyone; one that the socket has is not sent again. Where it does not fit, it stays in the table,
    /// and is read when there is room.
    pub(in crate::gateway) fn notify(&self, number: i64, text: Utf8Bytes) {
        let mut state = self.lock();
        let State {
            outbox, notices, ..
        } = &mut *state;
        match notices {
            Notices::Behind(behind) => {
                behind.heard = behind.heard.max(number);
                return;
            }
            Notices::Live { last } if number <= *last => return,
            Notices::Live { .. } if outbox.is_full_for(text.len()) => {
                *notices = Notices::Behind(Behind {
                    after: number - 1,
                    heard: number,
                });
            }
            Notices::Live { last } => {
                *last = number;
                outbox.push(text);
            }
        }
        wake(state);
    }

    /// What there is to read, if it is behind and there is room.
    pub(in crate::gateway) fn behind(&self) -> Option<Behind> {
        let state = self.lock();
        match state.notices {
            Notices::Behind(behind) if !state.is_resuming() && !state.outbox.is_full_for(0) => {
                Some(behind)
            }
            Notices::Behind(_) | Notices::Live { .. } => None,
        }
    }

    /// Sends the next notices, as many as fit: `page` was read for `asked`.
    pub(in crate::gateway) fn catch_up(&self, asked: Behind, page: Vec<Notice>) {
        let mut state = self.lock();
        let State {
            outbox, notices, ..
        } = &mut *state;
        let Notices::Behind(behind) = notices else {
            return;
        };
        if behind.after != asked.after {
            // It has resumed another session meanwhile.
            return;
        }
        if page.is_empty() && behind.heard == asked.heard {
            // Whatever was heard of before the reading and is not in it is not to be had any more.
            let last = behind.heard;
            *notices = Notices::Live { last };
            return;
        }
        for notice in page {
            let text = Frame::notice(notice.number, notice.content).encode();
            if outbox.is_full_for(text.len()) {
                break;
            }
            behind.after = notice.number;
            behind.heard = behind.heard.max(notice.number);
            outbox.push(text.into());
        }
        wake(state);
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::outbox::FULL;
    use super::*;

    fn notice(number: i64, content: &str) -> Notice {
        let content = content.to_owned();
        Notice { number, content }
    }

    #[test]
    fn a_notice_that_does_not_fit_and_those_after_it_are_read_from_the_table() {
        let connection = Connection::anyones();
        connection.send("x".repeat(FULL).into());
        connection.notify(7, "seven".into());
        connection.notify(8, "eight".into());
        assert_eq!(connection.behind(), None, "there is no room");
        assert_eq!(connection.texts().len(), 1);
        let asked = connection.behind().unwrap();
        assert_eq!(asked.after, 6);
        connection.catch_up(asked, vec![notice(7, "seven"), notice(8, "eight")]);
        let sent = connection.texts();
        assert!(sent[0].contains("seven") && sent[1].contains("eight"));
        let asked = connection.behind().unwrap();
        assert_eq!(asked.after, 8);
        connection.catch_up(asked, Vec::new());
        assert_eq!(connection.behind(), None);
        connection.notify(8, "eight".into());
        connection.notify(9, "nine".into());
        assert_eq!(connection.texts(), ["nine"]);
    }

    #[test]
    fn a_page_that_does_not_fit_is_sent_in_parts() {
        let connection = Connection::anyones();
        connection.send("x".repeat(FULL).into());
        connection.notify(1, "one".into());
        connection.take();
        let large = "x".repeat(FULL);
        let page = || vec![notice(1, &large), notice(2, &large)];
        connection.catch_up(connection.behind().unwrap(), page());
        assert_eq!(connection.texts().len(), 1);
        assert_eq!(connection.behind().unwrap().after, 1);
    }

    #[test]
    fn what_is_heard_of_during_a_reading_is_read_once_more_and_not_for_ever() {
        let connection = Connection::anyones();
        connection.send("x".repeat(FULL).into());
        connection.notify(1, "one".into());
        connection.take();
        let asked = connection.behind().unwrap();
        connection.notify(2, "two".into());
        connection.catch_up(asked, Vec::new());
        let asked = connection.behind().expect("it may have been too early");
        // Its time was over.
        connection.catch_up(asked, Vec::new());
        assert_eq!(connection.behind(), None);
        connection.notify(2, "two".into());
        assert!(connection.texts().is_empty());
    }
}
