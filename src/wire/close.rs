//! Every way in which the server ends a socket: a code, a reason, and whether to come back.

/// Why the server closes a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    /// The gateway is stopping; another one, or this one in a moment, takes over.
    Stopping,
    /// What came is no WebSocket frame.
    NotAFrame,
    /// A text frame is not UTF-8.
    NotText,
    /// A frame was so large that it could not even be read past.
    FrameTooLarge,
    /// The client does not read what it is sent, and its outbox is full.
    TooSlow,
    /// Nothing was heard from the client for too long.
    Silent,
    /// Another socket has taken its session over.
    TakenOver,
    /// Its token has ended.
    TokenOver,
}

impl Close {
    /// Every close, for the table in the contract.
    pub const ALL: [Self; 8] = [
        Self::NotAFrame,
        Self::NotText,
        Self::Stopping,
        Self::FrameTooLarge,
        Self::TooSlow,
        Self::Silent,
        Self::TakenOver,
        Self::TokenOver,
    ];

    /// Its name in the figures.
    #[must_use]
    pub const fn slug(self) -> &'static str {
        match self {
            Self::Stopping => "stopping",
            Self::NotAFrame => "not_a_frame",
            Self::NotText => "not_text",
            Self::FrameTooLarge => "frame_too_large",
            Self::TooSlow => "too_slow",
            Self::Silent => "silent",
            Self::TakenOver => "taken_over",
            Self::TokenOver => "token_over",
        }
    }

    /// The code of the close frame.
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::Stopping => 1012,
            Self::NotAFrame => 1002,
            Self::NotText => 1007,
            Self::FrameTooLarge => 1009,
            Self::TooSlow => 4008,
            Self::Silent => 4009,
            Self::TakenOver => 4010,
            Self::TokenOver => 4011,
        }
    }

    /// The reason of the close frame, which says whether to come back.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Stopping => "the gateway is restarting; come back",
            Self::NotAFrame => "that was not a WebSocket frame; come back",
            Self::NotText => "the text was not UTF-8; come back",
            Self::FrameTooLarge => "the frame was too large to skip; come back with smaller ones",
            Self::TooSlow => "messages were not read fast enough; come back",
            Self::Silent => "nothing was heard for too long; come back",
            Self::TakenOver => "the session goes on with another socket; do not come back",
            Self::TokenOver => "the token has ended; come back with a fresh one",
        }
    }
}
