//! What is told of an error besides its sentence: its code, its exit code, and what to do about it.

use bulb_protocol::profile::Refusal;

use super::Error;

impl Error {
    /// The stable dotted code, for scripts.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.kind().0
    }

    /// The exit code of a command that ends with this error.
    #[must_use]
    pub const fn exit(&self) -> u8 {
        self.kind().1
    }

    const fn kind(&self) -> (&'static str, u8) {
        match self {
            Self::Usage(_) => ("usage", 2),
            Self::FileUnreadable { .. } => ("usage.file", 2),
            Self::FileUnwritable { .. } => ("usage.file_unwritable", 2),
            Self::NoTerminal => ("tui.no_terminal", 2),
            Self::ConfigInvalid { .. } => ("config.invalid", 2),
            Self::RigInvalid { .. } => ("rig.invalid", 2),
            Self::RecordingInvalid { .. } => ("recording.invalid", 2),
            Self::NotRecorded { .. } => ("recording.no_answer", 2),
            Self::GroupUnknown { .. } => ("target.no_group", 2),
            Self::ProfileUnknown { .. } => ("usage.profile", 2),
            Self::ProfileInvalid { .. } => ("profile.invalid", 2),
            Self::CaptureInvalid { .. } => ("capture.invalid", 2),
            Self::NotCaptured { .. } => ("capture.nothing", 3),
            Self::NotEncodable { refusal: Refusal::NeedsState { .. }, .. } => ("usage.incomplete", 2),
            Self::TargetNotFound { .. } => ("target.not_found", 3),
            Self::NothingFound { .. } => ("scan.nothing", 3),
            Self::TargetAmbiguous { .. } => ("target.ambiguous", 3),
            Self::AdapterNone => ("adapter.none", 4),
            Self::AdapterUnknown { .. } => ("adapter.unknown", 4),
            Self::AdapterOff { .. } => ("adapter.off", 4),
            Self::AdapterBlocked { .. } => ("adapter.blocked", 4),
            Self::AdapterLost { .. } => ("adapter.lost", 4),
            Self::ServiceDown => ("service.down", 4),
            Self::NoBus { .. } => ("service.no_bus", 4),
            Self::ServiceSilent { .. } => ("service.silent", 4),
            Self::ScanBusy { .. } => ("scan.busy", 4),
            Self::Denied { .. } => ("service.denied", 5),
            Self::ConnectFailed { .. } => ("connect.failed", 6),
            Self::ConnectTimeout { .. } => ("connect.timeout", 6),
            Self::ConnectLimit { .. } => ("connect.limit", 6),
            Self::DiscoverTimeout { .. } => ("discover.timeout", 6),
            Self::MtuTooSmall { .. } => ("connect.mtu", 6),
            Self::NoService { .. } => ("profile.no_service", 7),
            Self::NoCharacteristic { .. } => ("profile.no_characteristic", 7),
            Self::WrongProperties { .. } => ("profile.wrong_properties", 7),
            Self::Unrecognised { .. } => ("profile.unknown", 7),
            Self::ProfileUnsupported { .. } => ("profile.unsupported", 7),
            Self::CharacteristicUnknown { .. } => ("gatt.no_characteristic", 7),
            Self::CharacteristicAmbiguous { .. } => ("gatt.ambiguous", 2),
            Self::PropertyMissing { .. } => ("gatt.wrong_properties", 7),
            Self::Refused { .. } => ("bulb.refused", 8),
            Self::NeedsPairing { .. } | Self::PairingFailed { .. } => ("bulb.needs_pairing", 8),
            Self::Unsupported { .. } | Self::NotEncodable { .. } => ("bulb.unsupported", 8),
            Self::NeverTells { .. } => ("bulb.write_only", 8),
            Self::Held { .. } => ("bulb.held", 8),
            Self::Silent { .. } => ("bulb.timeout", 8),
            Self::NoBattery { .. } => ("bulb.no_battery", 8),
            Self::MalformedStatus { .. } => ("frame.malformed", 9),
            Self::MalformedFrame(_) | Self::ForeignFrame(_) => ("frame.malformed", 9),
            Self::MalformedBattery { .. } => ("battery.malformed", 9),
            Self::Partial { exit, .. } => ("partial", *exit),
            Self::LinkLost { .. } => ("link.lost", 11),
            Self::CheckFailed { .. } => ("check.failed", 12),
            Self::OutputClosed => ("output.closed", 0),
            Self::Output(_) => ("output.failed", 1),
            Self::Interrupted => ("interrupted", 130),
            Self::Internal(_) => ("internal", 1),
        }
    }

    /// What the user can do about it, where there is something to do.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NoTerminal => "programs and pipes use `bulbctl scan --json`, and the other verbs",
            Self::TargetNotFound { .. } | Self::NothingFound { .. } => {
                "is it powered, near, and free? A bulb that a phone or another computer holds does not advertise; \
                 `bulbctl scan --any` shows every device in reach"
            }
            Self::TargetAmbiguous { .. } => "name one by its address, or say 'NAME*' for all of them",
            Self::GroupUnknown { .. } => "groups are defined in the [groups] table of the configuration file",
            Self::ProfileInvalid { .. } => "docs/PROFILES.md says what a profile file may have in it",
            Self::RecordingInvalid { .. } => "docs/RECORDINGS.md says what a recording has in it",
            Self::NotRecorded { .. } => {
                "a replay answers what was asked when it was recorded: give the same verb and arguments"
            }
            Self::NotEncodable { .. } => "`bulbctl profiles show NAME` lists what a family can do",
            Self::AdapterNone => "plug one in, or try everything on virtual bulbs with `--adapter sim`",
            Self::AdapterUnknown { .. } => {
                "leave --adapter out for the first one that is powered, or use `--adapter sim`"
            }
            Self::AdapterOff { .. } => {
                "turn Bluetooth on (`bluetoothctl power on`), or use virtual bulbs with `--adapter sim`"
            }
            Self::AdapterBlocked { hard: false, .. } => {
                "unblock it with `rfkill unblock bluetooth`, or use virtual bulbs with `--adapter sim`"
            }
            Self::AdapterBlocked { hard: true, .. } => {
                "use the machine's wireless switch or key, or virtual bulbs with `--adapter sim`"
            }
            Self::AdapterLost { .. } => "turn it on again, or plug it back in, and repeat the command",
            Self::ServiceDown => {
                "start it with `systemctl start bluetooth`, or use virtual bulbs with `--adapter sim`"
            }
            Self::NoBus { .. } => {
                "in a container, mount /run/dbus/system_bus_socket; WSL has no Bluetooth; `--adapter sim` works anywhere"
            }
            Self::ServiceSilent { .. } => {
                "see `systemctl status bluetooth`; `systemctl restart bluetooth` often helps"
            }
            Self::ScanBusy { .. } => "another program is starting or stopping a scan: try again in a moment",
            Self::Denied { .. } => {
                "join the group that may (`usermod -aG bluetooth $USER`, then log in again); `--adapter sim` needs no permission"
            }
            Self::ConnectFailed { .. } => "try again, nearer to the bulb; check that no phone holds it",
            Self::ConnectTimeout { .. } => {
                "move nearer, check that no phone holds it, or allow more time with --timeout"
            }
            Self::ConnectLimit { limit: None, .. } => {
                "drop a link with `bulbctl disconnect`, work on fewer at once with --max-links, or use a second adapter"
            }
            Self::ConnectLimit { limit: Some(_), .. } => "allow more links, or name fewer bulbs",
            Self::DiscoverTimeout { .. } => "allow more time with --timeout; restart the bulb",
            Self::NoService { .. } | Self::NoCharacteristic { .. } | Self::WrongProperties { .. } => {
                "it may be a bulb of another family, or the system may remember an old table: after a firmware change, \
                 remove it with `bluetoothctl remove ADDRESS`"
            }
            Self::CharacteristicUnknown { .. } | Self::PropertyMissing { .. } => {
                "`bulbctl info TARGET` shows the whole table"
            }
            Self::CharacteristicAmbiguous { .. } => "say one of these in place of the UUID alone",
            Self::Refused { att: 0x01, .. } => {
                "the system may remember an old table: remove the bulb with `bluetoothctl remove ADDRESS`"
            }
            Self::Refused { att: 0x80..=0x9f, .. } => {
                "this code is the firmware's own: see its documentation"
            }
            Self::Unrecognised { .. } => {
                "`bulbctl profiles detect` shows what speaks for each family; if you know it, name it with --profile, \
                 or for good in the [profiles] table of the configuration"
            }
            Self::MtuTooSmall { .. } => {
                "try again, or with another adapter: the system agrees on the MTU with the bulb"
            }
            Self::PairingFailed { how: Some(how), .. } => {
                return Some(format!("make it ready to be paired first: {how}"));
            }
            Self::PairingFailed { how: None, .. } => "make it ready to be paired first: its manual says how",
            Self::NeverTells { .. } => {
                "say what it is to be: `bulbctl on`, `off`, or `set` with all that you want"
            }
            Self::NeedsPairing { .. } => "pair it with `bluetoothctl pair ADDRESS`",
            Self::Held { .. } => "end the other program that uses the bulb",
            Self::Silent { .. } => "restart the bulb, or allow more time with --timeout",
            Self::LinkLost { .. } => "try again, nearer to the bulb",
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

/// The name of an ATT error code (Bluetooth Core 5.4, Vol 3, Part F, 3.4.1.1).
#[must_use]
pub const fn att_name(code: u8) -> &'static str {
    match code {
        0x01 => "invalid handle",
        0x02 => "read not permitted",
        0x03 => "write not permitted",
        0x04 => "invalid PDU",
        0x05 => "insufficient authentication",
        0x06 => "request not supported",
        0x07 => "invalid offset",
        0x08 => "insufficient authorisation",
        0x09 => "prepare queue full",
        0x0a => "attribute not found",
        0x0b => "attribute not long",
        0x0c => "encryption key size too short",
        0x0d => "invalid attribute value length",
        0x0e => "unlikely error",
        0x0f => "insufficient encryption",
        0x10 => "unsupported group type",
        0x11 => "insufficient resources",
        0x12 => "database out of sync",
        0x13 => "value not allowed",
        0x80..=0x9f => "application error of the firmware",
        0xfc => "write request rejected",
        0xfd => "client characteristic configuration improper",
        0xfe => "procedure already in progress",
        0xff => "out of range",
        _ => "reserved",
    }
}
