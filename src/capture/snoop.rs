//! The file format: a header and records (as RFC 1761, with other numbers; see BlueZ's src/shared/btsnoop.c).

use std::time::{Duration, SystemTime};

use super::other;

pub(super) const MAGIC: &[u8; 8] = b"btsnoop\0";
const HEADER: usize = 16;
const RECORD_HEADER: usize = 24;
/// The limit of a record, bytes: the longest ACL packet with its headers fits.
const MAX_RECORD: usize = 1 << 17;
/// The time stamp of the Unix epoch: microseconds since the year 0.
const EPOCH: i64 = 0x00dc_ddb3_0f2f_8000;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{detail}", place(*record, *offset))]
pub struct CaptureError {
    /// The record, from 1; 0 for the header.
    pub record: usize,
    /// The offset of the record in the file, bytes.
    pub offset: usize,
    pub detail: String,
    /// One thing to do about it, in which `FILE` stands for the file.
    pub hint: Option<&'static str>,
}

fn place(record: usize, offset: usize) -> String {
    if record == 0 { String::new() } else { format!("record {record} at byte {offset}: ") }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LinkType {
    /// 1002, of Android: HCI packets after a byte with their type, as on a UART.
    Uart,
    /// 2001, of BlueZ: packets of the Linux monitor, with their type in the flags.
    Monitor,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Record<'a> {
    /// For UART the direction; for the monitor an adapter and a type.
    pub(super) flags: u32,
    /// Microseconds since the Unix epoch.
    pub(super) micros: i64,
    /// The file contains only a part of the packet.
    pub(super) cut: bool,
    pub(super) data: &'a [u8],
}

impl Record<'_> {
    /// The wall-clock time, limited to the years 1970 to 9999, which fit in text.
    pub(super) fn time(&self) -> SystemTime {
        let since = Duration::from_micros(u64::try_from(self.micros).unwrap_or(0));
        let last = Duration::from_secs(253_402_300_799);
        SystemTime::UNIX_EPOCH + since.min(last)
    }
}

pub(super) fn header(bytes: &[u8]) -> Result<(LinkType, Records<'_>), CaptureError> {
    let invalid = |detail: String| CaptureError { record: 0, offset: 0, detail, hint: None };
    let Some(rest) = bytes.strip_prefix(MAGIC) else {
        let (detail, hint) = other::name(bytes);
        return Err(CaptureError { hint, ..invalid(detail) });
    };
    let (Some(version), Some(kind)) = (be32(rest, 0), be32(rest, 4)) else {
        return Err(invalid(format!("it ends within its first {HEADER} bytes")));
    };
    if version != 1 {
        return Err(invalid(format!(
            "it is a btsnoop log of version {version}, and only version 1 is supported"
        )));
    }
    let kind = match kind {
        1002 => LinkType::Uart,
        2001 => LinkType::Monitor,
        other => {
            let name = match other {
                1001 => " (HCI without packet types)",
                1003 => " (HCI over BCSP)",
                1004 => " (HCI over three wires)",
                2002 => " (BlueZ simulator)",
                _ => "",
            };
            return Err(invalid(format!(
                "its records are of kind {other}{name}; 1002 (HCI UART) and 2001 (BlueZ monitor) are supported"
            )));
        }
    };
    Ok((kind, Records { bytes, at: HEADER, number: 0 }))
}

/// The records, in the order of the file. Ends after the first fault.
#[derive(Debug)]
pub(super) struct Records<'a> {
    bytes: &'a [u8],
    at: usize,
    number: usize,
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, CaptureError>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.bytes.get(self.at..).filter(|rest| !rest.is_empty())?;
        self.number += 1;
        let (record, offset) = (self.number, self.at);
        let result = one(rest).map_err(|detail| CaptureError { record, offset, detail, hint: None });
        self.at = match &result {
            Ok(record) => self.at + RECORD_HEADER + record.data.len(),
            Err(_) => self.bytes.len(),
        };
        Some(result)
    }
}

fn one(bytes: &[u8]) -> Result<Record<'_>, String> {
    let short = || format!("it ends within the {RECORD_HEADER} bytes before the packet");
    let field = |at: usize| be32(bytes, at).ok_or_else(short);
    let (original, included, flags) = (field(0)?, field(4)?, field(8)?);
    let stamp = u64::from(field(16)?) << 32 | u64::from(field(20)?);
    let length = usize::try_from(included).unwrap_or(usize::MAX);
    if length > MAX_RECORD {
        return Err(format!("it claims a length of {included} bytes, and {MAX_RECORD} is the limit"));
    }
    let end = RECORD_HEADER + length;
    let data = bytes.get(RECORD_HEADER..end).ok_or_else(|| {
        let have = bytes.len().saturating_sub(RECORD_HEADER);
        format!("it is {included} bytes long, and the file ends after {have} of them")
    })?;
    let micros = stamp.cast_signed().saturating_sub(EPOCH);
    Ok(Record { flags, micros, cut: original > included, data })
}

fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    let field = bytes.get(at..)?.first_chunk::<4>()?;
    Some(u32::from_be_bytes(*field))
}
