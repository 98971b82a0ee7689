//! The kind, the code and the exit code of each error.

use bulb_protocol::profile::EncodeError;

use super::Error;

/// A group of errors that have the same consequence. Each has an exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The reader of the output has gone. Not a failure.
    OutputClosed,
    Unexpected,
    /// An argument or a file is wrong.
    Usage,
    NotFound,
    BluetoothUnusable,
    PermissionDenied,
    /// There is no usable link.
    Connect,
    /// The device is not one that a profile can drive.
    NotDrivable,
    /// The bulb did not do what it was asked to do.
    Refused,
    Malformed,
    Partial,
    LinkLost,
    CheckFailed,
    /// The command was written, and the bulb did not report its effect.
    NotConfirmed,
    /// There is no usable connection to the MQTT broker.
    Broker,
    /// The broker refused the credentials.
    BrokerCredentials,
    Interrupted,
}

impl ErrorKind {
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::OutputClosed => 0,
            Self::Unexpected => 1,
            Self::Usage => 2,
            Self::NotFound => 3,
            Self::BluetoothUnusable => 4,
            Self::PermissionDenied => 5,
            Self::Connect => 6,
            Self::NotDrivable => 7,
            Self::Refused => 8,
            Self::Malformed => 9,
            Self::Partial => 10,
            Self::LinkLost => 11,
            Self::CheckFailed => 12,
            Self::NotConfirmed => 13,
            Self::Broker => 14,
            Self::BrokerCredentials => 15,
            Self::Interrupted => 130,
        }
    }

    /// Returns true if the cause is this computer and not the bulb.
    pub const fn is_local(self) -> bool {
        matches!(self, Self::BluetoothUnusable | Self::PermissionDenied)
    }
}

impl Error {
    /// The stable dotted code, for scripts.
    pub const fn code(&self) -> &'static str {
        self.entry().0
    }

    pub const fn kind(&self) -> ErrorKind {
        self.entry().1
    }

    pub const fn exit_code(&self) -> u8 {
        self.kind().exit_code()
    }

    #[rustfmt::skip]
    const fn entry(&self) -> (&'static str, ErrorKind) {
        use ErrorKind as Kind;
        match self {
            Self::OutputClosed => ("output.closed", Kind::OutputClosed),

            Self::Output(_) => ("output.failed", Kind::Unexpected),
            Self::Internal(_) => ("internal", Kind::Unexpected),

            Self::Usage(_) => ("usage", Kind::Usage),
            Self::FileUnreadable { .. } => ("usage.file", Kind::Usage),
            Self::FileUnwritable { .. } => ("usage.file_unwritable", Kind::Usage),
            Self::NotEncodable { refusal: EncodeError::NeedsState { .. }, .. } => ("usage.incomplete", Kind::Usage),
            Self::ProfileUnknown { .. } => ("usage.profile", Kind::Usage),
            Self::NoTerminal => ("tui.no_terminal", Kind::Usage),
            Self::ConfigInvalid { .. } => ("config.invalid", Kind::Usage),
            Self::ProfileInvalid { .. } => ("profile.invalid", Kind::Usage),
            Self::RigInvalid { .. } => ("rig.invalid", Kind::Usage),
            Self::RecordingInvalid { .. } => ("recording.invalid", Kind::Usage),
            Self::SnapshotInvalid { .. } => ("snapshot.invalid", Kind::Usage),
            Self::NotRecorded { .. } => ("recording.no_answer", Kind::Usage),
            Self::CaptureInvalid { .. } => ("capture.invalid", Kind::Usage),
            Self::GroupUnknown { .. } => ("target.no_group", Kind::Usage),
            Self::CharacteristicAmbiguous { .. } => ("gatt.ambiguous", Kind::Usage),
            Self::WriteTooLong { .. } => ("gatt.too_long", Kind::Usage),
            Self::NotPlayable { .. } => ("emulate.not_playable", Kind::Usage),
            Self::AdvertisementTooLong { .. } => ("emulate.too_long", Kind::Usage),

            Self::TargetNotFound { .. } => ("target.not_found", Kind::NotFound),
            Self::TargetAmbiguous { .. } => ("target.ambiguous", Kind::NotFound),
            Self::NothingFound { .. } => ("scan.nothing", Kind::NotFound),
            Self::NotCaptured { .. } => ("capture.nothing", Kind::NotFound),

            Self::AdapterNone => ("adapter.none", Kind::BluetoothUnusable),
            Self::AdapterUnknown { .. } => ("adapter.unknown", Kind::BluetoothUnusable),
            Self::AdapterOff { .. } => ("adapter.off", Kind::BluetoothUnusable),
            Self::AdapterBlocked { .. } => ("adapter.blocked", Kind::BluetoothUnusable),
            Self::AdapterLost { .. } => ("adapter.lost", Kind::BluetoothUnusable),
            Self::ServiceDown => ("service.down", Kind::BluetoothUnusable),
            Self::NoBus { .. } => ("service.no_bus", Kind::BluetoothUnusable),
            Self::ServiceSilent { .. } => ("service.silent", Kind::BluetoothUnusable),
            Self::ServiceMalformed { .. } => ("service.malformed", Kind::BluetoothUnusable),
            Self::ScanBusy { .. } => ("scan.busy", Kind::BluetoothUnusable),
            Self::CannotAdvertise { .. } => ("adapter.no_peripheral", Kind::BluetoothUnusable),

            Self::Denied { .. } => ("service.denied", Kind::PermissionDenied),

            Self::ConnectFailed { .. } => ("connect.failed", Kind::Connect),
            Self::ConnectTimeout { .. } => ("connect.timeout", Kind::Connect),
            Self::ConnectLimit { .. } => ("connect.limit", Kind::Connect),
            Self::BulbNotOwned { .. } => ("bridge.not_owner", Kind::Connect),
            Self::LinkNotKept { .. } => ("connect.not_kept", Kind::Connect),
            Self::MtuTooSmall { .. } => ("connect.mtu", Kind::Connect),
            Self::DiscoverTimeout { .. } => ("discover.timeout", Kind::Connect),

            Self::NoService { .. } => ("profile.no_service", Kind::NotDrivable),
            Self::NoCharacteristic { .. } => ("profile.no_characteristic", Kind::NotDrivable),
            Self::WrongProperties { .. } => ("profile.wrong_properties", Kind::NotDrivable),
            Self::Unrecognised { .. } => ("profile.unknown", Kind::NotDrivable),
            Self::NotABulb { .. } => ("profile.not_a_bulb", Kind::NotDrivable),
            Self::ProfileUnsupported { .. } => ("profile.unsupported", Kind::NotDrivable),
            Self::CharacteristicUnknown { .. } => ("gatt.no_characteristic", Kind::NotDrivable),
            Self::PropertyMissing { .. } => ("gatt.wrong_properties", Kind::NotDrivable),

            Self::Refused { .. } | Self::RefusedWithoutCode { .. } => ("bulb.refused", Kind::Refused),
            Self::NeedsPairing { .. } | Self::PairingFailed { .. } => ("bulb.needs_pairing", Kind::Refused),
            Self::Unsupported { .. } | Self::NotSent { .. } | Self::RoleMissing { .. }
            | Self::NotEncodable { .. } => ("bulb.unsupported", Kind::Refused),
            Self::WriteOnly { .. } => ("bulb.write_only", Kind::Refused),
            Self::Held { .. } => ("bulb.held", Kind::Refused),
            Self::Silent { .. } => ("bulb.timeout", Kind::Refused),
            Self::StateUnknown { .. } => ("bulb.state_unknown", Kind::Refused),
            Self::NoNotification { .. } => ("gatt.no_notification", Kind::Refused),
            Self::NoBattery { .. } => ("bulb.no_battery", Kind::Refused),

            Self::ForeignFrame(error) if error.is_unknown() => ("frame.unknown", Kind::Malformed),
            Self::MalformedStatus { .. } | Self::MalformedFrame(_) | Self::ForeignFrame(_) => {
                ("frame.malformed", Kind::Malformed)
            }
            Self::MalformedBattery { .. } => ("battery.malformed", Kind::Malformed),

            Self::Partial { kind, .. } => ("partial", *kind),
            Self::LinkLost { .. } => ("link.lost", Kind::LinkLost),
            Self::CheckFailed { .. } => ("check.failed", Kind::CheckFailed),
            Self::NotExpected { .. } => ("expect.failed", Kind::CheckFailed),
            Self::NotConfirmed { .. } => ("bulb.not_confirmed", Kind::NotConfirmed),
            Self::BrokerUnreachable { .. } => ("broker.unreachable", Kind::Broker),
            Self::BrokerLost { .. } => ("broker.lost", Kind::Broker),
            Self::BrokerTls { .. } => ("broker.tls", Kind::Broker),
            Self::BrokerRefused { .. } => ("broker.refused", Kind::Broker),
            Self::BrokerDenied { .. } => ("broker.denied", Kind::Broker),
            Self::BrokerCredentials { .. } => ("broker.credentials", Kind::BrokerCredentials),
            Self::BridgeDuplicate { .. } => ("bridge.duplicate", Kind::Broker),
            Self::BridgeRunning { .. } => ("bridge.running", Kind::Broker),
            Self::CommandInvalid { .. } => ("command.invalid", Kind::Usage),
            Self::CommandRetained { .. } => ("command.retained", Kind::Usage),
            Self::CommandExpired { .. } => ("command.expired", Kind::Connect),
            Self::Interrupted => ("interrupted", Kind::Interrupted),
        }
    }
}
