//! What a process writes: read as it comes, and never waited for when the process is over.

use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use tokio::net::unix::pipe;
use tokio_util::sync::CancellationToken;

use super::super::words::LONGEST_ERROR;

/// How much is read at once.
pub(super) const PIECE: usize = 16 * 1024;

/// How much is read after the end of a process: more than is in any pipe. Others may still have its other end.
const AFTERWARDS: usize = 2 * 1024 * 1024;

/// Our end of a pipe that a process writes into.
#[derive(Debug)]
pub(super) struct Output {
    pipe: pipe::Receiver,
    afterwards: usize,
}

impl Output {
    pub(super) fn new(pipe: OwnedFd) -> io::Result<Self> {
        Ok(Self {
            pipe: pipe::Receiver::from_owned_fd(pipe)?,
            afterwards: AFTERWARDS,
        })
    }

    /// The next bytes, in their order; none when the pipe is closed, or when it is `over` and there are no more.
    pub(super) async fn next<'a>(
        &mut self,
        buffer: &'a mut [u8; PIECE],
        over: &CancellationToken,
    ) -> &'a [u8] {
        while !over.is_cancelled() {
            tokio::select! {
                () = over.cancelled() => {}
                readable = self.pipe.readable() => match readable.and_then(|()| self.pipe.try_read(buffer)) {
                    Ok(length) => return &buffer[..length],
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Err(_) => return &[],
                },
            }
        }
        self.rest(buffer).unwrap_or_default()
    }

    /// Of a process that goes on after what was over.
    pub(super) fn begin(&mut self) {
        self.afterwards = AFTERWARDS;
    }

    /// What is there already, which may be nothing; none when the pipe is closed.
    pub(super) fn rest<'a>(&mut self, buffer: &'a mut [u8; PIECE]) -> Option<&'a [u8]> {
        // The runtime may not have heard of it yet, so the system is asked.
        match rustix::io::retry_on_intr(|| rustix::io::read(&self.pipe, &mut *buffer)) {
            Ok(0) => None,
            Ok(length) if length <= self.afterwards => {
                self.afterwards -= length;
                Some(&buffer[..length])
            }
            Ok(_) | Err(Errno::AGAIN) => Some(&[]),
            Err(_) => None,
        }
    }

    /// Reads and drops what comes until it is `over`, so that nobody waits in a write.
    pub(super) async fn drain(&mut self, over: &CancellationToken) {
        let mut buffer = Box::new([0; PIECE]);
        while !self.next(&mut buffer, over).await.is_empty() {}
    }
}

/// Writes all of it, unless nobody reads any more or it is `over`; a process need not read what it is given. Gives what is
/// left.
pub(super) async fn write<'a>(
    pipe: &pipe::Sender,
    mut bytes: &'a [u8],
    over: &CancellationToken,
) -> &'a [u8] {
    while !bytes.is_empty() {
        let writable = tokio::select! {
            () = over.cancelled() => break,
            writable = pipe.writable() => writable,
        };
        match writable.and_then(|()| pipe.try_write(bytes)) {
            Ok(length) => bytes = &bytes[length..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => break,
        }
    }
    bytes
}

/// The end of a text that may be long.
#[derive(Debug, Default)]
pub(super) struct Tail {
    bytes: Vec<u8>,
    cut: bool,
}

impl Tail {
    /// How much is kept: with what stands before it, no more than is kept of an error.
    const LENGTH: usize = LONGEST_ERROR - 256;

    /// Of what comes until the pipe is closed, or it is `over`.
    pub(super) async fn read(output: &mut Output, over: &CancellationToken) -> Self {
        let (mut tail, mut buffer) = (Self::default(), Box::new([0; PIECE]));
        loop {
            let bytes = output.next(&mut buffer, over).await;
            if bytes.is_empty() {
                return tail;
            }
            tail.add(bytes);
        }
    }

    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        if let Some(over @ 1..) = self.bytes.len().checked_sub(Self::LENGTH) {
            self.bytes.drain(..over);
            self.cut = true;
        }
    }

    /// As a text that a database takes, from the beginning of a line where something is left out.
    pub(super) fn text(&self) -> String {
        let mut bytes = self.bytes.as_slice();
        if self.cut
            && let Some(end) = bytes.iter().position(|byte| *byte == b'\n')
            && end + 1 < bytes.len()
        {
            bytes = &bytes[end + 1..];
        }
        let text = String::from_utf8_lossy(bytes).replace('\0', "\u{fffd}");
        let mut text = text.trim();
        if text.len() > Self::LENGTH {
            text = &text[text.ceil_char_boundary(text.len() - Self::LENGTH)..];
        }
        text.to_owned()
    }
}

/// A text in its lines.
#[derive(Debug, Default)]
pub(super) struct Lines {
    bytes: Vec<u8>,
    /// Where a line that is not whole yet has been looked at.
    seen: usize,
    /// Amid one that is too long.
    skipping: bool,
}

/// One.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    Whole(Vec<u8>),
    /// It is dropped.
    TooLong,
}

impl Lines {
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole one, or one that is longer than `longest`.
    pub(super) fn next(&mut self, longest: usize) -> Option<Line> {
        loop {
            let found = self.bytes[self.seen..]
                .iter()
                .position(|byte| *byte == b'\n');
            let end = found.map(|found| self.seen + found);
            if std::mem::take(&mut self.skipping) {
                self.drop_to(end.map_or(self.bytes.len(), |end| end + 1));
                self.skipping = end.is_none();
                end?;
                continue;
            }
            match end {
                Some(end) if end <= longest => {
                    let line = self.bytes[..end].to_vec();
                    self.drop_to(end + 1);
                    return Some(Line::Whole(line));
                }
                Some(end) => {
                    self.drop_to(end + 1);
                    return Some(Line::TooLong);
                }
                None if self.bytes.len() > longest => {
                    self.drop_to(self.bytes.len());
                    self.skipping = true;
                    return Some(Line::TooLong);
                }
                None => {
                    self.seen = self.bytes.len();
                    return None;
                }
            }
        }
    }

    /// What is there of one that nobody will end.
    pub(super) fn last(&mut self) -> Option<Line> {
        let line = std::mem::take(&mut self.bytes);
        self.seen = 0;
        (!line.is_empty() && !self.skipping).then_some(Line::Whole(line))
    }

    fn drop_to(&mut self, at: usize) {
        self.bytes.drain(..at);
        self.seen = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_long_text_is_kept_from_the_beginning_of_a_line() {
        let mut tail = Tail::default();
        tail.add(b"short\n");
        assert_eq!(tail.text(), "short");
        for number in 0..5_000 {
            tail.add(format!("line {number}\n").as_bytes());
        }
        let text = tail.text();
        assert!(text.starts_with("line ") && text.ends_with("\nline 4999"));
        assert!(text.len() <= Tail::LENGTH && text.len() > Tail::LENGTH - 20);
        tail.add(&[0xff; 20_000]);
        assert!(tail.text().len() <= Tail::LENGTH, "{}", tail.text().len());
        let mut tail = Tail::default();
        tail.add(b"a\0b");
        assert_eq!(tail.text(), "a\u{fffd}b");
    }

    #[test]
    fn lines_come_whole_however_they_are_cut_and_too_long_ones_are_dropped() {
        let text = b"one\n\ntwo three\nmuch too long a line\nfour\nrest";
        for size in 1..text.len() {
            let mut lines = Lines::default();
            let mut found = Vec::new();
            for piece in text.chunks(size) {
                lines.add(piece);
                while let Some(line) = lines.next(10) {
                    found.push(line);
                }
            }
            found.extend(lines.last());
            let whole = |text: &str| Line::Whole(text.into());
            assert_eq!(
                found,
                [
                    whole("one"),
                    whole(""),
                    whole("two three"),
                    Line::TooLong,
                    whole("four"),
                    whole("rest")
                ],
                "in pieces of {size}"
            );
        }
    }
}
