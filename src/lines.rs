//! Lines of a file, a pipe or a socket, read one by one.

use std::io;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

/// The longest line that people write, bytes.
const LONGEST: usize = 16 * 1024;

const BYTE_ORDER_MARK: char = '\u{feff}';

/// Reads lines as they arrive. Holds one line at most, however long the input is.
#[derive(Debug)]
pub(crate) struct Lines<R> {
    input: BufReader<R>,
    longest: usize,
    number: u64,
}

/// A line, or what is wrong with it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// From 1.
    pub(crate) number: u64,
    pub(crate) text: Result<String, String>,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    pub(crate) fn new(input: R) -> Self {
        Self::up_to(LONGEST, input)
    }

    /// Reads lines of at most `longest` bytes.
    pub(crate) fn up_to(longest: usize, input: R) -> Self {
        Self { input: BufReader::new(input), longest, number: 0 }
    }

    /// Waits for the next line; `None` at the end of the input. The rest of a line that is too long is skipped.
    pub(crate) async fn next(&mut self) -> io::Result<Option<Line>> {
        let (mut line, mut too_long, mut any) = (Vec::new(), false, false);
        loop {
            let available = self.input.fill_buf().await?;
            if available.is_empty() {
                break;
            }
            any = true;
            let end = available.iter().position(|byte| *byte == b'\n');
            let part = available.get(..end.unwrap_or(available.len())).unwrap_or_default();
            too_long |= line.len() + part.len() > self.longest;
            if !too_long {
                line.extend_from_slice(part);
            }
            let used = end.map_or(available.len(), |end| end + 1);
            self.input.consume(used);
            if end.is_some() {
                break;
            }
        }
        if !any {
            return Ok(None);
        }
        self.number += 1;
        let text = match String::from_utf8(line) {
            _ if too_long => Err(format!("the line is longer than {} bytes", self.longest)),
            Ok(text) if self.number == 1 => Ok(text.trim_start_matches(BYTE_ORDER_MARK).to_owned()),
            Ok(text) => Ok(text),
            Err(_) => Err("the line is not text in UTF-8".to_owned()),
        };
        Ok(Some(Line { number: self.number, text }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn all(input: &[u8]) -> Vec<(u64, Result<String, String>)> {
        let mut lines = Lines::new(input);
        let mut all = Vec::new();
        while let Some(line) = lines.next().await.unwrap() {
            all.push((line.number, line.text));
        }
        all
    }

    #[tokio::test]
    async fn lines_are_numbered_and_bounded() {
        let ok = |text: &str| Ok(text.to_owned());
        assert_eq!(all(b"").await, []);
        assert_eq!(
            all(b"\xef\xbb\xbfon a\r\n\noff b").await,
            [(1, ok("on a\r")), (2, ok("")), (3, ok("off b"))]
        );
        assert_eq!(all(b"\n").await, [(1, ok(""))]);
        let longest = "x".repeat(LONGEST);
        let mut input = format!("{longest}\n{longest}x\n").into_bytes();
        input.extend(vec![b'y'; 3 << 20]);
        input.extend(b"\n\xff\nend");
        let too_long = Err("the line is longer than 16384 bytes".to_owned());
        assert_eq!(
            all(&input).await,
            [
                (1, Ok(longest)),
                (2, too_long.clone()),
                (3, too_long),
                (4, Err("the line is not text in UTF-8".to_owned())),
                (5, ok("end"))
            ]
        );
    }
}
