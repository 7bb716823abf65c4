//! How a value of a request is written, beside its body.

use std::fmt::Display;
use std::str::FromStr;

use jiff::Timestamp;
use uuid::Uuid;

use crate::ids::JobId;
use crate::queue::report::Position;
use crate::wire::{ErrorItem, ErrorType, KEY_LIMIT, Wrong, in_range};

/// How many jobs may be named.
const IDS: usize = 100;

/// The place of a piece of a text, as it is written: its attempt and its number.
pub(super) fn position(text: &str) -> Option<Position> {
    let (attempt, seq) = text.split_once('-')?;
    let (attempt, seq) = (attempt.parse().ok()?, seq.parse().ok()?);
    (attempt >= 0 && seq >= 0).then_some(Position { attempt, seq })
}

pub(super) fn cursor(text: &str) -> Result<JobId, Wrong> {
    Uuid::parse_str(text).map(JobId).map_err(|_| {
        let msg = "Input should be the next of an earlier page".to_owned();
        (ErrorType::UuidParsing, msg)
    })
}

pub(super) fn ids(text: &str) -> Result<Vec<JobId>, Wrong> {
    let ids: Result<Vec<JobId>, _> = text
        .split(',')
        .map(|id| Uuid::parse_str(id).map(JobId))
        .collect();
    let wrong = |msg: String| (ErrorType::UuidParsing, msg);
    let ids = ids.map_err(|error| wrong(format!("Input should be valid UUIDs, {error}")))?;
    if ids.len() > IDS {
        return Err((
            ErrorType::TooLarge,
            format!("Input has {} ids; at most {IDS} are allowed", ids.len()),
        ));
    }
    Ok(ids)
}

pub(super) fn whole<T: FromStr + Copy + PartialOrd + Display>(
    text: &str,
    least: T,
    most: T,
) -> Result<T, Wrong> {
    let number = text.parse().map_err(|_| {
        let msg = "Input should be a valid integer".to_owned();
        (ErrorType::IntType, msg)
    });
    in_range(number?, least, most)
}

pub(super) fn text(text: &str) -> Result<String, Wrong> {
    if text.contains('\0') {
        let error = text_with_nul(&[]);
        return Err((error.kind, error.msg));
    }
    Ok(text.to_owned())
}

pub(super) fn time(text: &str) -> Result<Timestamp, Wrong> {
    text.parse().map_err(|_| {
        let msg = "Input should be a valid datetime, as RFC 3339 has it: 2026-01-31T12:00:00Z";
        (ErrorType::DatetimeParsing, msg.to_owned())
    })
}

pub(super) fn text_with_nul(loc: &[&str]) -> ErrorItem {
    let msg = "Input should be a valid string without NUL characters";
    ErrorItem::new(ErrorType::StringType, loc, msg)
}

pub(super) fn too_long(loc: &[&str], text: &str) -> ErrorItem {
    let msg = format!(
        "Input has {} bytes; at most {KEY_LIMIT} are allowed",
        text.len()
    );
    ErrorItem::new(ErrorType::TooLarge, loc, msg)
}
