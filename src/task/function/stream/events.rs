//! Server-sent events, parsed as they come, wherever the packets are cut.

use std::mem;

/// An event with data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Event {
    /// `message`, where it has none.
    pub(super) name: String,
    /// Its lines, put together.
    pub(super) data: String,
}

/// A stream of them.
#[derive(Debug, Default)]
pub(super) struct Events {
    /// The line that has not ended.
    line: Vec<u8>,
    /// Whether it may begin with the second half of the end of the last one.
    after_return: bool,
    /// Whether anything has ended yet.
    has_begun: bool,
    name: String,
    data: Option<String>,
}

impl Events {
    /// Takes the next bytes; answers what is whole with them.
    pub(super) fn add(&mut self, bytes: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        for &byte in bytes {
            let is_second_half = mem::take(&mut self.after_return) && byte == b'\n';
            match byte {
                b'\n' if is_second_half => {}
                b'\n' | b'\r' => {
                    self.after_return = byte == b'\r';
                    events.extend(self.end_line());
                }
                byte => self.line.push(byte),
            }
        }
        events
    }

    fn end_line(&mut self) -> Option<Event> {
        let line = mem::take(&mut self.line);
        let line = String::from_utf8_lossy(&line);
        let is_first = !mem::replace(&mut self.has_begun, true);
        let line = match line.strip_prefix('\u{feff}') {
            Some(line) if is_first => line,
            _ => &line,
        };
        if line.is_empty() {
            return self.end_event();
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.name),
            "data" => match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => self.data = Some(value.to_owned()),
            },
            // Comments, which have an empty name, and what is for browsers that come back.
            _ => {}
        }
        None
    }

    fn end_event(&mut self) -> Option<Event> {
        let name = mem::take(&mut self.name);
        let name = if name.is_empty() {
            "message".to_owned()
        } else {
            name
        };
        self.data.take().map(|data| Event { name, data })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = "\u{feff}: a comment\nevent: chunk\ndata: \"é\"\n\nevent:result\r\ndata: [1,\r\ndata:  2]\r\nid: 7\r\n\r\n\
                          data\rretry: 5\r\revent: nothing\n\ndata: x:y\n\nevent: unended\ndata: 1\n";

    fn expected() -> Vec<Event> {
        let event = |name: &str, data: &str| Event {
            name: name.to_owned(),
            data: data.to_owned(),
        };
        vec![
            event("chunk", "\"é\""),
            event("result", "[1,\n 2]"),
            event("message", ""),
            event("message", "x:y"),
        ]
    }

    #[test]
    fn events_are_whole_wherever_the_packets_are_cut() {
        let bytes = STREAM.as_bytes();
        for size in 1..=bytes.len() {
            let mut events = Events::default();
            let parts = bytes.chunks(size);
            let heard: Vec<Event> = parts.flat_map(|part| events.add(part)).collect();
            assert_eq!(heard, expected(), "in packets of {size}");
        }
    }

    #[test]
    fn what_is_no_text_harms_nothing_else() {
        let mut events = Events::default();
        let heard = events.add(b"data: \xff\n\ndata: a\n\n");
        assert_eq!(heard.len(), 2);
        assert_eq!(heard[1].data, "a");
    }
}
