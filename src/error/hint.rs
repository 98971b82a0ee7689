//! Hints: one thing to do about an error.

use bulb_protocol::profile::EncodeError;

use super::Error;

impl Error {
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NoTerminal => {
                "in scripts and pipes, use `bulbctl scan --json` or another command, without --tui"
            }
            Self::TargetNotFound { nearest, .. } if !nearest.is_empty() => {
                return Some(format!(
                    "the closest names are {}; if none of them is meant, check that the bulb is powered, in reach and not \
                     connected to a phone or another computer",
                    nearest.join(", ")
                ));
            }
            Self::TargetNotFound { .. } | Self::NothingFound { .. } => {
                "check that it is powered, in reach and not connected to a phone or another computer; \
                 `bulbctl scan --any` lists every device in reach"
            }
            Self::TargetAmbiguous { .. } => "use the address of one, or 'NAME*' for all of them",
            Self::GroupUnknown { .. } => "define groups in the [groups] table of the configuration file",
            Self::ProfileInvalid { .. } => "see docs/PROFILES.md for the format of profile files",
            Self::SnapshotInvalid { .. } => {
                "docs/scripting.md describes the lines; `bulbctl snapshot` writes them"
            }
            Self::RecordingInvalid { .. } => "see docs/RECORDINGS.md for the format of recordings",
            Self::CaptureInvalid { hint, .. } => return hint.clone(),
            Self::NotCaptured { classic: true, .. } => {
                "bulbctl reads Bluetooth LE only; a bulb that its app drives over classic Bluetooth is not one for bulbctl"
            }
            Self::NotRecorded { .. } => "replay the command and the arguments that were recorded",
            Self::NotEncodable { refusal: EncodeError::NeedsAddress, .. } => {
                "`frame encode` takes it with --address"
            }
            Self::NotEncodable { .. } => "`bulbctl profiles show NAME` lists what a family can do",
            Self::AdapterNone => "plug one in, or try virtual bulbs with `--adapter sim`",
            Self::AdapterUnknown { .. } => {
                "leave out --adapter to use the first powered adapter, or use `--adapter sim`"
            }
            Self::AdapterOff { .. } => {
                "turn Bluetooth on (`bluetoothctl power on`), or use virtual bulbs with `--adapter sim`"
            }
            Self::AdapterBlocked { hard: false, .. } => {
                "unblock it with `rfkill unblock bluetooth`, or use virtual bulbs with `--adapter sim`"
            }
            Self::AdapterBlocked { hard: true, .. } => {
                "use the computer's wireless switch or key, or virtual bulbs with `--adapter sim`"
            }
            Self::AdapterLost { .. } => "turn it on or plug it in, and repeat the command",
            Self::ServiceDown => {
                "start it with `systemctl start bluetooth`, or use virtual bulbs with `--adapter sim`"
            }
            Self::NoBus { .. } => {
                "in a container, mount /run/dbus/system_bus_socket; WSL has no Bluetooth; `--adapter sim` works anywhere"
            }
            Self::ServiceSilent { .. } => "restart it with `systemctl restart bluetooth`",
            Self::ServiceMalformed { .. } => {
                "restart it with `systemctl restart bluetooth`; `bulbctl doctor` shows its version"
            }
            Self::ScanBusy { .. } => {
                "try again in a moment: another program may be starting or stopping a scan"
            }
            Self::CannotAdvertise { .. } => {
                "use another adapter, or emulate on the sim radio with `--adapter sim`"
            }
            Self::NotPlayable { .. } => {
                "leave it out, or emulate on the sim radio with `--adapter sim`: docs/EMULATE.md says what each radio plays"
            }
            Self::AdvertisementTooLong { .. } => {
                "give the bulb a shorter name, or other data in a rig: `bulbctl emulate PROFILE --rig RIG.toml`"
            }
            Self::Denied { .. } => {
                "join the bluetooth group (`usermod -aG bluetooth $USER`, then log in again); `--adapter sim` needs no permission"
            }
            Self::ConnectFailed { .. } => {
                "move closer and try again; check that no phone is connected to the bulb"
            }
            Self::ConnectTimeout { .. } => {
                "move closer, check that no phone is connected to the bulb, or allow more time with --timeout"
            }
            Self::ConnectLimit { limit: None, .. } => {
                "drop a link with `bulbctl disconnect`, use fewer at once with --max-links, or add a second adapter"
            }
            Self::LinkNotKept { .. } => {
                "use `bulbctl run` or `bulbctl tui`: they hold their links while they run"
            }
            Self::ConnectLimit { limit: Some(_), .. } => "raise --max-links, or name fewer bulbs",
            Self::DiscoverTimeout { .. } => "restart the bulb, or allow more time with --timeout",
            Self::NoService { .. } | Self::NoCharacteristic { .. } | Self::WrongProperties { .. } => {
                "the bulb may be of another family; if its firmware changed, remove the table that the system remembers \
                 with `bluetoothctl remove ADDRESS`"
            }
            Self::CharacteristicUnknown { .. } | Self::PropertyMissing { .. } => {
                "`bulbctl info TARGET` shows the GATT table"
            }
            Self::CharacteristicAmbiguous { .. } => "use one of these in place of the UUID",
            Self::Refused { att: 0x01, .. } => {
                "remove the table that the system remembers with `bluetoothctl remove ADDRESS`"
            }
            Self::Refused { att: 0x80..=0x9f, .. } => "see the documentation of the firmware for this code",
            Self::Unrecognised { .. } => {
                "`bulbctl profiles detect TARGET` shows the evidence; if you know the family, name it with --profile or in \
                 the [profiles] table of the configuration"
            }
            Self::NotABulb { .. } => {
                "if it is a bulb all the same, name its family with --profile or in the [profiles] table of the configuration"
            }
            Self::MtuTooSmall { .. } => "try again, or use another adapter",
            Self::PairingFailed { how: Some(how), .. } => {
                return Some(format!("make it ready for pairing first: {how}"));
            }
            Self::PairingFailed { how: None, .. } => {
                "make it ready for pairing first, as described in its manual"
            }
            Self::WriteOnly { .. } => "give the full state instead: `bulbctl on`, `off` or `set`",
            Self::NeedsPairing { .. } => "pair it with `bluetoothctl pair ADDRESS`",
            Self::NoNotification { .. } => {
                "the subscription works: a bulb notifies when something changes; change it, or allow more time with --timeout"
            }
            Self::WriteTooLong { .. } => {
                "use a write request if the characteristic allows it, or an adapter with a larger MTU"
            }
            Self::NotConfirmed { .. } => {
                "`bulbctl status` reads the state again; without --confirm, a command that was written succeeds"
            }
            Self::StateUnknown { .. } => "give the value itself instead of a step",
            Self::Held { .. } => "end the other program",
            Self::Silent { .. } => "restart the bulb, or allow more time with --timeout",
            Self::BrokerUnreachable { .. } | Self::BrokerLost { .. } => {
                "check that the broker runs and that --broker names its host and port; the bridge tries again by itself"
            }
            Self::BrokerTls { .. } => {
                "name the file with the certificates of the broker's issuer with --ca-file; the host in --broker must be one that \
                 its certificate names"
            }
            Self::BrokerRefused { .. } => {
                "the bridge needs a broker for MQTT 5, such as mosquitto 1.6 or later"
            }
            Self::BrokerCredentials { .. } => {
                "check the user name and the password; if they are right, the broker's access list must allow this user to write \
                 to that topic"
            }
            Self::BrokerDenied { .. } => "docs/BRIDGE.md lists what the broker's access list must allow",
            Self::BridgeDuplicate { .. } => "give each bridge a name of its own with --name",
            Self::BridgeRunning { .. } => "end the other one",
            Self::CommandInvalid { .. } => "docs/BRIDGE.md lists the commands",
            Self::CommandRetained { .. } => {
                "send commands without the retain flag, and remove this one with `mosquitto_pub -r -n -t TOPIC`"
            }
            Self::CommandExpired { .. } => "move the bulb or the bridge closer, and send the command again",
            Self::BulbNotOwned { .. } => "the topic `bulbctl/<id>/owner` names the bridge that drives it",
            Self::LinkLost { .. } => "move closer and try again",
            _ => return None,
        };
        Some(hint.to_owned())
    }
}
