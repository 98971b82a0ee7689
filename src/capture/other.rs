//! The names of capture files that are no btsnoop logs, and what to do with them.

use super::hci::Bytes;

const CONVERT: &str = "convert it with Wireshark's `editcap -F btsnoop FILE FILE.btsnoop`, and decode that";
const SNIFFED: &str =
    "record on the computer (`btmon -w`) or the phone (Android's HCI snoop log) that drives the bulb";

/// The link types of pcap and pcapng (tcpdump.org/linktypes.html).
fn link_type(number: u32) -> Option<(&'static str, &'static str)> {
    match number {
        // With a direction, and of the Linux monitor. editcap writes no others as btsnoop.
        201 | 254 => Some((" of a Bluetooth controller (HCI)", CONVERT)),
        187 => Some((" of a Bluetooth controller (HCI) without directions", SNIFFED)),
        251 | 255 | 256 | 272 => Some((" of a sniffer, of what is on the air", SNIFFED)),
        _ => None,
    }
}

/// Returns what a file is, and one thing to do.
pub(super) fn name(bytes: &[u8]) -> (String, Option<&'static str>) {
    let file = match bytes.first_chunk::<4>() {
        Some(b"\x0a\x0d\x0d\x0a") => ("pcapng", pcapng_link_type(bytes)),
        Some(b"\xd4\xc3\xb2\xa1" | b"\x4d\x3c\xb2\xa1") => ("pcap", field(bytes, 20, false)),
        Some(b"\xa1\xb2\xc3\xd4" | b"\xa1\xb2\x3c\x4d") => ("pcap", field(bytes, 20, true)),
        Some(b"PK\x03\x04") => {
            let hint =
                "if it is a bug report of Android, unpack it: the log is in FS/data/misc/bluetooth/logs";
            return ("it is a zip archive, not a btsnoop log".to_owned(), Some(hint));
        }
        _ => return ("it is not a btsnoop log, which begins with `btsnoop` and a zero".to_owned(), None),
    };
    let (format, number) = file;
    // The upper half has other meanings in pcap.
    match number.map(|number| (number & 0xffff, link_type(number & 0xffff))) {
        Some((_, Some((of, hint)))) => {
            (format!("it is a {format} capture{of}, not a btsnoop log"), Some(hint))
        }
        Some((number, None)) => {
            (format!("it is a {format} capture of link type {number}, which is not Bluetooth"), Some(SNIFFED))
        }
        None => (format!("it is a {format} capture that ends within its header"), None),
    }
}

/// The link type of the first interface, which is described after the header of the section.
fn pcapng_link_type(bytes: &[u8]) -> Option<u32> {
    let big = field(bytes, 8, true)? == 0x1a2b_3c4d;
    let interface = usize::try_from(field(bytes, 4, big)?).ok()?;
    let block = bytes.get(interface..)?;
    let mut rest = Bytes(block.get(8..)?);
    let kind = rest.u16()?;
    (field(block, 0, big)? == 1).then_some(u32::from(if big { kind.swap_bytes() } else { kind }))
}

fn field(bytes: &[u8], at: usize, big: bool) -> Option<u32> {
    let field = *bytes.get(at..)?.first_chunk::<4>()?;
    Some(if big { u32::from_be_bytes(field) } else { u32::from_le_bytes(field) })
}
