//! The rules that the system keeps, each of which the model can do without.

#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// What an outcome must carry to be recorded.
    pub(crate) fence: Fence,
    /// What a socket that resumes does first.
    pub(crate) order: Order,
    /// When a gateway passes on what it has heard of a session.
    pub(crate) passing_on: PassingOn,
    /// Whether only the socket that has the session last may leave it.
    pub(crate) epochs: bool,
    /// Whether of two sockets of a session at one gateway the later one stays, whichever registers first.
    pub(crate) latest_wins: bool,
    /// Whether an outcome enters the mailbox in the commit that records it.
    pub(crate) mails: bool,
    /// Whether a socket remembers what it was sent.
    pub(crate) remembers: bool,
    /// Whether gateways look without having heard anything. Where they do not, no hint is lost.
    pub(crate) polls: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fence {
    ClaimId,
    AttemptAndWorker,
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    RegisterThenRead,
    ReadThenRegister,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PassingOn {
    /// When the session's row names another gateway.
    WhereTheRowSays,
    /// When no socket of the session is here.
    FromNobody,
    Never,
}

impl Rules {
    /// As the system is, whatever is lost.
    pub(crate) const fn with_polling() -> Self {
        Self {
            fence: Fence::ClaimId,
            order: Order::RegisterThenRead,
            passing_on: PassingOn::WhereTheRowSays,
            epochs: true,
            latest_wins: true,
            mails: true,
            remembers: true,
            polls: true,
        }
    }

    /// As it is while no hint is lost: nothing may have to wait for a poll.
    pub(crate) const fn with_hints_alone() -> Self {
        Self {
            polls: false,
            ..Self::with_polling()
        }
    }
}
