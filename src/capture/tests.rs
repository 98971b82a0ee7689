use std::collections::BTreeSet;

use super::*;
use crate::radio::gatt::uuid16;

const WHOLE: &[u8] = include_bytes!("../../fixtures/captures/whole.btsnoop");
const LATE: &[u8] = include_bytes!("../../fixtures/captures/late.btsnoop");

/// A log of HCI packets in the format of Android. Each packet is true if it was received, and its bytes in hex.
fn uart(packets: &[(bool, &str)]) -> Vec<u8> {
    let mut log = b"btsnoop\0\0\0\0\x01\0\0\x03\xea".to_vec();
    for (number, (received, hex)) in (0_u64..).zip(packets) {
        let data = hex::decode(hex.replace(' ', "")).unwrap();
        let length = u32::try_from(data.len()).unwrap().to_be_bytes();
        log.extend([length, length, u32::from(*received).to_be_bytes(), [0; 4]].concat());
        log.extend((0x00dc_ddb3_0f2f_8000_u64 + number * 1000).to_be_bytes());
        log.extend(data);
    }
    log
}

/// Converts a capture to the format of Android.
fn as_uart(monitor: &[u8]) -> Vec<u8> {
    let mut log = b"btsnoop\0\0\0\0\x01\0\0\x03\xea".to_vec();
    let mut rest = &monitor[16..];
    while !rest.is_empty() {
        let word = |at: usize| u32::from_be_bytes(rest[at..at + 4].try_into().unwrap());
        let end = 24 + usize::try_from(word(4)).unwrap();
        let (kind, received) = match word(8) & 0xffff {
            2 => (1, 2),
            3 => (4, 3),
            4 => (2, 0),
            5 => (2, 1),
            _ => (0, 0),
        };
        if kind != 0 {
            let length = (word(4) + 1).to_be_bytes();
            log.extend([length, length, u32::to_be_bytes(received), [0; 4]].concat());
            log.extend(&rest[16..24]);
            log.push(kind);
            log.extend(&rest[24..end]);
        }
        rest = &rest[end..];
    }
    log
}

fn kinds(capture: &Capture) -> Vec<EventKind> {
    capture.events.iter().map(|event| event.kind.clone()).collect()
}

/// The bulb C4:5C:00:00:20:01 connects as link 0x40.
const CONNECTED: &str = "04 3e 13 01 00 4000 00 00 012000005cc4 1800 0000 2a00 00";

#[test]
fn a_btmon_capture_gives_devices_tables_and_values() {
    let capture = read(WHOLE).unwrap();
    assert_eq!((&capture.fault, capture.cut), (&None, 0));
    let bulb = capture.devices.iter().find(|one| one.seen.name.as_deref() == Some("Light-Capture")).unwrap();
    assert_eq!(bulb.seen.id.as_str(), "C4:5C:00:00:20:01");
    let table = bulb.table(false);
    let ids: Vec<CharacteristicId> = table.all().map(|(id, ..)| id).collect();
    for id in [
        CharacteristicId::short(0xFFF0, 0xFFF1),
        CharacteristicId::short(0xFFF0, 0xFFF2),
        CharacteristicId::short(0x180F, 0x2A19),
    ] {
        assert!(ids.contains(&id), "{id} is not in {}", table.outline());
    }
    let status = table.characteristic(CharacteristicId::short(0xFFF0, 0xFFF2)).unwrap();
    assert!(status.properties.readable() && status.properties.notifies());
    assert_eq!(status.descriptors.iter().map(|one| one.uuid).collect::<Vec<_>>(), [uuid16(0x2902)]);
    // Headphones nearby advertise, but do not connect.
    let headphones = capture.devices.iter().position(|one| one.seen.name.as_deref() == Some("Headphones"));
    assert!(headphones.is_some_and(|at| capture.events.iter().all(|event| event.device != at)));
}

#[test]
fn the_format_of_android_gives_the_same_events() {
    let (monitor, uart) = (read(WHOLE).unwrap(), read(&as_uart(WHOLE)).unwrap());
    assert!(monitor.events.len() > 40);
    assert_eq!(kinds(&monitor), kinds(&uart));
    let attributes =
        |capture: &Capture| capture.devices.iter().map(|one| one.attributes(false)).collect::<Vec<_>>();
    assert_eq!(attributes(&monitor), attributes(&uart));
}

#[test]
fn a_link_from_before_the_capture_has_frames_and_no_device() {
    let capture = read(LATE).unwrap();
    let ids: BTreeSet<_> = capture
        .events
        .iter()
        .map(|event| capture.devices[event.device].seen.id.as_str().to_owned())
        .collect();
    assert_eq!(ids.len(), 1);
    assert!(ids.first().unwrap().starts_with("link "), "{ids:?}");
    assert!(
        kinds(&capture).contains(&EventKind::Write(WriteKind::Request, hex::decode("003c00ff00").unwrap()))
    );
}

#[test]
fn fragments_are_reassembled_for_each_direction() {
    // A notification in three fragments, and between them a write command in the other direction.
    let capture = read(&uart(&[
        (true, CONNECTED),
        (true, "02 4020 0600 0800 0400 1b0c"),
        (false, "02 4000 0b00 0700 0400 520900 01020304"),
        (true, "02 4010 0100 00"),
        (true, "02 4010 0500 aabbccddee"),
        // A fragment without a start, and a frame longer than its length field.
        (true, "02 4010 0200 ffff"),
        (true, "02 4020 0900 0400 0400 1b0c00aaff"),
    ]))
    .unwrap();
    assert_eq!(
        kinds(&capture),
        [
            EventKind::Connected,
            EventKind::Write(WriteKind::Command, vec![1, 2, 3, 4]),
            EventKind::Notification(vec![0xaa, 0xbb, 0xcc, 0xdd, 0xee]),
        ]
    );
    assert_eq!(capture.events[2].since, 4000);
}

#[test]
fn responses_belong_to_requests_of_the_same_side() {
    let capture = read(&uart(&[
        (true, CONNECTED),
        // Both sides exchange the MTU, and a read is refused.
        (false, "02 4000 0700 0300 0400 020502"),
        (true, "02 4020 0700 0300 0400 02f700"),
        (true, "02 4020 0700 0300 0400 036400"),
        (false, "02 4000 0700 0300 0400 030502"),
        (false, "02 4000 0700 0300 0400 0a0300"),
        (true, "02 4020 0900 0500 0400 010a030002"),
        // A response without a request.
        (true, "02 4020 0600 0200 0400 0baa"),
        // A long write, and one that is cancelled.
        (false, "02 4000 0b00 0700 0400 160300 0000 0102"),
        (true, "02 4020 0b00 0700 0400 170300 0000 0102"),
        (false, "02 4000 0a00 0600 0400 160300 0200 03"),
        (true, "02 4020 0a00 0600 0400 170300 0200 03"),
        (false, "02 4000 0600 0200 0400 1801"),
        (true, "02 4020 0500 0100 0400 19"),
        (false, "02 4000 0a00 0600 0400 160300 0000 07"),
        (false, "02 4000 0600 0200 0400 1800"),
        (true, "04 05 04 00 4000 13"),
    ]))
    .unwrap();
    assert_eq!(
        kinds(&capture),
        [
            EventKind::Connected,
            EventKind::Mtu(100),
            EventKind::Mtu(247),
            EventKind::ReadRefused(2),
            EventKind::Write(WriteKind::Request, vec![1, 2, 3]),
            EventKind::Disconnected(0x13),
        ]
    );
    assert_eq!(
        capture.events.iter().map(|event| event.local).collect::<Vec<_>>(),
        [false, false, true, false, false, false]
    );
}

#[test]
fn every_kind_of_advertisement_and_connection_is_read() {
    let capture = read(&uart(&[
        // Extended: a whole name, a service, manufacturer data.
        (true, "04 3e 2d 0d 01 1300 01 012000005cc4 0100 ff7f c8 0000 00 000000000000 13 05094c616d70 0303f0ff 05ff57000102 020106"),
        // Enhanced, second version.
        (true, "04 3e 1f 29 00 4000 00 01 0120 0000 5cc4 000000000000 000000000000 1800 0000 2a00 00 00 ffff"),
    ]))
    .unwrap();
    let bulb = &capture.devices[0].seen;
    assert_eq!((bulb.name.as_deref(), bulb.rssi), (Some("Lamp"), Some(-56)));
    assert_eq!(bulb.services, [uuid16(0xFFF0)]);
    assert_eq!(bulb.manufacturer.get(&0x57), Some(&vec![1, 2]));
    assert_eq!(kinds(&capture), [EventKind::Connected]);
    assert_eq!(capture.devices.len(), 1);
}

#[test]
fn truncated_packets_are_counted_and_skipped() {
    let mut log = uart(&[(true, CONNECTED), (true, "02 4020 0900 0500 0400 1b0c00")]);
    let start = log.len() - 12 - 24;
    log[start + 3] = 14;
    let capture = read(&log).unwrap();
    assert_eq!((kinds(&capture), capture.cut), (vec![EventKind::Connected], 1));
}

#[test]
fn damage_is_reported_with_its_place() {
    let error = |bytes: &[u8]| read(bytes).unwrap_err().to_string();
    assert!(error(b"").contains("not a btsnoop log"));
    assert!(error(b"{\"t\":0}").contains("not a btsnoop log"));
    assert!(error(b"btsnoop\0\0\0").contains("ends within its first 16 bytes"));
    assert!(error(b"btsnoop\0\0\0\0\x02\0\0\x03\xea").contains("version 2"));
    let three = error(b"btsnoop\0\0\0\0\x01\0\0\x03\xec");
    assert!(three.contains("1004 (HCI over three wires)") && three.contains("1002 (HCI UART)"), "{three}");
    // The events before the damage are kept.
    let cut = read(&WHOLE[..WHOLE.len() - 3]).unwrap();
    let fault = cut.fault.unwrap();
    assert!(fault.record > 100 && fault.offset > 16_000, "{fault}");
    assert!(
        fault.to_string().starts_with(&format!("record {} at byte {}: it is ", fault.record, fault.offset)),
        "{fault}"
    );
    assert!(cut.events.len() > 40);
    let mut long = WHOLE.to_vec();
    long[20..24].copy_from_slice(&[0x7f, 0xff, 0xff, 0xff]);
    let fault = read(&long).unwrap().fault.unwrap();
    assert_eq!((fault.record, fault.offset), (1, 16));
}

/// Ten thousand captures with flipped bits or a missing end: no panic, and memory in proportion to the file.
#[test]
fn hostile_captures_are_read_up_to_the_damage() {
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed % u64::try_from(below).unwrap()).unwrap()
    };
    let android = as_uart(WHOLE);
    let (mut faults, mut refused, mut read_on) = (0, 0, 0);
    for number in 0..10_000 {
        let mut bytes = [WHOLE, LATE, &android][number % 3].to_vec();
        if number % 4 == 0 {
            bytes.truncate(next(bytes.len()));
        }
        // In the packets, mostly: a flipped length ends the reading.
        for _ in 0..if number % 4 == 1 { 1 } else { next(24) } {
            let at = next(bytes.len().max(1));
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << next(8);
            }
        }
        match read(&bytes) {
            Ok(capture) => {
                assert!(capture.events.len() <= bytes.len() / 2 && capture.devices.len() <= bytes.len() / 8);
                for device in &capture.devices {
                    assert!(device.attributes(false).len() + device.attributes(true).len() <= bytes.len());
                }
                match capture.fault {
                    Some(fault) => {
                        faults += 1;
                        assert!(fault.record > 0 && fault.offset < bytes.len());
                    }
                    None => read_on += 1,
                }
            }
            Err(_) => refused += 1,
        }
    }
    assert!(
        faults > 1000 && refused > 10 && read_on > 1000,
        "{faults} faults, {refused} refused, {read_on} read"
    );
}

/// The start of a capture with one interface of this link type.
fn pcapng(link_type: u16, big: bool) -> Vec<u8> {
    let word = |value: u32| if big { value.to_be_bytes() } else { value.to_le_bytes() };
    let half = |value: u16| if big { value.to_be_bytes() } else { value.to_le_bytes() };
    let section =
        [word(0x0a0d_0d0a), word(28), word(0x1a2b_3c4d), word(1), [0xff; 4], [0xff; 4], word(28)].concat();
    [section, word(1).to_vec(), word(20).to_vec(), half(link_type).to_vec(), vec![0; 6], word(20).to_vec()]
        .concat()
}

fn pcap(link_type: u32, magic: u32, big: bool) -> Vec<u8> {
    let word = |value: u32| if big { value.to_be_bytes() } else { value.to_le_bytes() };
    [word(magic), word(0x0002_0004), [0; 4], [0; 4], word(65535), word(link_type)].concat()
}

#[test]
fn captures_in_other_formats_are_named_with_what_to_do() {
    for big in [true, false] {
        for (kind, what, hint) in [
            (201, "of a Bluetooth controller", "editcap -F btsnoop"),
            (254, "of a Bluetooth controller", "editcap -F btsnoop"),
            (187, "without directions", "btmon -w"),
            (272, "of a sniffer", "btmon -w"),
            (256, "of a sniffer", "btmon -w"),
            (251, "of a sniffer", "btmon -w"),
            (1, "link type 1, which is not Bluetooth", "btmon -w"),
        ] {
            let pcaps = [0xa1b2_c3d4, 0xa1b2_3c4d].map(|magic| ("pcap ", pcap(u32::from(kind), magic, big)));
            for (format, file) in pcaps.into_iter().chain([("pcapng ", pcapng(kind, big))]) {
                let error = read(&file).unwrap_err();
                let text = error.to_string();
                assert!(text.contains(format) && text.contains(what), "{kind}: {text}");
                assert!(error.hint.unwrap().contains(hint), "{kind}: {error:?}");
                for end in 4..file.len() {
                    // Without the link type, no advice.
                    assert!(read(&file[..end]).unwrap_err().to_string().contains(format), "{end}");
                }
            }
        }
    }
    assert!(read(b"PK\x03\x04").unwrap_err().to_string().contains("zip archive"));
    let other = read(b"hello").unwrap_err();
    assert_eq!((other.to_string().contains("not a btsnoop log"), other.hint), (true, None));
}

/// Connection complete of classic Bluetooth, signalling, RFCOMM, disconnection.
const CLASSIC: [(bool, &str); 4] = [
    (true, "04 03 0b 00 0200 010000115cc4 01 00"),
    (false, "02 0220 0c00 0800 0100 02010400 03004000"),
    (true, "02 0220 0800 0400 4100 0bff0150"),
    (true, "04 05 04 00 0200 16"),
];

#[test]
fn links_of_classic_bluetooth_are_no_devices() {
    for skipped in 0..2 {
        let capture = read(&uart(&CLASSIC[skipped..])).unwrap();
        assert!(capture.devices.is_empty() && capture.events.is_empty(), "{skipped}: {capture:?}");
        assert!(capture.classic, "{skipped}");
    }
    // Beside one of Bluetooth LE, which may have had the same handle.
    let mut both = vec![(true, CONNECTED), (true, "04 05 04 00 4000 16")];
    both.extend(CLASSIC);
    let capture = read(&uart(&both)).unwrap();
    assert_eq!(kinds(&capture), [EventKind::Connected, EventKind::Disconnected(0x16)]);
    // One that was up before the capture began is one of Bluetooth LE once it has a frame of ATT.
    let before = [(true, "02 4020 0700 0300 0400 1b1200"), (true, "04 05 04 00 4000 16")];
    let capture = read(&uart(&before)).unwrap();
    assert_eq!(kinds(&capture), [EventKind::Notification(Vec::new()), EventKind::Disconnected(0x16)]);
    assert!(!capture.classic);
    assert_eq!(read(&uart(&[(true, "04 05 04 00 4000 16")])).unwrap().events, []);
}
