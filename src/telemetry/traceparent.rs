//! The trace that a job is a part of, as it is passed on.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// How long one is, in the one version that we write,
const LENGTH: usize = 55;

/// and where its parts are divided.
const DASHES: [usize; 3] = [2, 35, 52];

/// The trace that a job is a part of, and the span in it that asked for the job: the `traceparent` of W3C Trace Context.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Traceparent(Arc<str>);

/// What is no [`Traceparent`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is no traceparent of W3C Trace Context")]
pub struct Malformed;

impl Traceparent {
    /// What it looks like in a contract.
    pub const PATTERN: &str = "^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$";

    /// Reads one. Of a version that is not known, what is said after the parts that are known is left out.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let known = text.get(..LENGTH)?;
        let bytes = known.as_bytes();
        let is_hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let divided = bytes.iter().enumerate().all(|(at, byte)| {
            if DASHES.contains(&at) {
                *byte == b'-'
            } else {
                is_hex(byte)
            }
        });
        let is_something = |part: &str| part.bytes().any(|byte| byte != b'0');
        let (version, rest) = (&known[..2], &text[LENGTH..]);
        if !divided
            || version == "ff"
            || !is_something(&known[3..35])
            || !is_something(&known[36..52])
        {
            return None;
        }
        match version {
            "00" => rest.is_empty().then(|| Self(known.into())),
            _ if !rest.is_empty() && !rest.starts_with('-') => None,
            // Of its flags, only one is known.
            _ => {
                let sampled = u8::from_str_radix(&known[53..], 16).ok()? & 1;
                Some(Self(format!("00{}{sampled:02x}", &known[2..53]).into()))
            }
        }
    }

    /// The ids of the trace and of the span, and the flags.
    pub(super) fn parts(&self) -> [&str; 3] {
        [&self.0[3..35], &self.0[36..52], &self.0[53..]]
    }
}

impl Deref for Traceparent {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Traceparent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl TryFrom<String> for Traceparent {
    type Error = Malformed;

    fn try_from(text: String) -> Result<Self, Malformed> {
        Self::parse(&text).ok_or(Malformed)
    }
}

impl From<Traceparent> for String {
    fn from(traceparent: Traceparent) -> Self {
        traceparent.0.as_ref().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn one_is_kept_as_it_is() {
        assert_eq!(Traceparent::parse(ONE).as_deref(), Some(ONE));
        let not_sampled = ONE.replace("-01", "-00");
        assert_eq!(
            Traceparent::parse(&not_sampled).as_deref(),
            Some(&*not_sampled)
        );
    }

    #[test]
    fn one_of_a_later_version_is_read_as_far_as_it_is_known() {
        for later in [
            ONE.replacen("00", "01", 1),
            ONE.replacen("00", "cc", 1) + "-what-else",
        ] {
            assert_eq!(Traceparent::parse(&later).as_deref(), Some(ONE), "{later}");
        }
        let flags = ONE.replacen("00", "01", 1).replace("-01", "-fe");
        assert_eq!(
            Traceparent::parse(&flags).as_deref(),
            Some(&*ONE.replace("-01", "-00"))
        );
    }

    #[test]
    fn what_is_malformed_is_none() {
        for wrong in [
            String::new(),
            ONE[..54].to_owned(),
            format!("{ONE}-"),
            format!("{ONE}é"),
            ONE.to_uppercase(),
            ONE.replace("-01", "-0g"),
            ONE.replace('-', "_"),
            ONE.replacen("00", "ff", 1),
            ONE.replacen("00", "01", 1) + "x",
            ONE.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)),
            ONE.replace("b7ad6b7169203331", &"0".repeat(16)),
            "é".repeat(30),
        ] {
            assert_eq!(Traceparent::parse(&wrong), None, "{wrong}");
        }
    }
}
