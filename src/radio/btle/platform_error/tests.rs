use super::Operation::{Ask, Connect, Disconnect, Gatt, Pair, Scan, StopScan, Subscribe, Unsubscribe};
use super::*;

const CONTEXT: Context<'_> = Context {
    adapter: "hci0",
    device: "Light-1",
    rssi: Some(-60),
    doing: "write fff1",
    waited: Duration::from_secs(2),
};

/// What BlueZ returns (its source from 5.53 to 5.87, and reports from the field): the name without its prefix, the
/// message, what was asked, and what we make of it.
#[rustfmt::skip]
const BLUEZ_SAYS: &[(&str, &str, Operation, Meaning)] = &[
    ("NotReady", "Resource Not Ready", Scan, Meaning::Off),
    ("NotReady", "Resource Not Ready", StopScan, Meaning::Done),
    ("Blocked", "Blocked through rfkill", Scan, Meaning::Blocked),
    ("Busy", "", Scan, Meaning::Blocked),
    ("InProgress", "Operation already in progress", Scan, Meaning::Again),
    ("Failed", "Operation already in progress", Scan, Meaning::Again),
    ("Failed", "Input/output error", Scan, Meaning::Again),
    ("Failed", "Operation already in progress", Connect, Meaning::Again),
    ("Failed", "Input/output error", Connect, Meaning::Again),
    ("Failed", "No discovery started", StopScan, Meaning::Done),
    ("InProgress", "In Progress", Connect, Meaning::Again),
    ("InProgress", "br-connection-busy", Connect, Meaning::Again),
    ("Failed", "le-connection-abort-by-local", Connect, Meaning::Again),
    ("Failed", "Software caused connection abort", Connect, Meaning::Again),
    ("Failed", "le-connection-timeout", Connect, Meaning::Again),
    ("Failed", "le-connection-refused", Connect, Meaning::Again),
    ("Failed", "le-connection-busy", Connect, Meaning::Again),
    ("Failed", "le-connection-abort-by-remote", Connect, Meaning::Again),
    ("Failed", "le-connection-link-layer-protocol-error", Connect, Meaning::Again),
    ("Failed", "le-connection-unknown", Connect, Meaning::Again),
    ("Failed", "le-connection-already-connected", Connect, Meaning::Done),
    ("Failed", "le-connection-concurrent-connection-limit", Connect, Meaning::Limit),
    ("Failed", "le-connection-adapter-not-powered", Connect, Meaning::Off),
    ("Failed", "le-connection-key-missing", Connect, Meaning::Pairing),
    ("Failed", "le-connection-memory-allocation", Connect, Meaning::Hopeless("the system is out of resources")),
    ("Failed", "le-connection-not-supported", Connect, Meaning::Hopeless("the adapter cannot do this")),
    ("NotAvailable", "br-connection-profile-unavailable", Connect, CLASSIC),
    ("Failed", "br-connection-profile-unavailable", Connect, CLASSIC),
    ("BREDR.ProfileUnavailable", "No more profiles to connect to", Connect, CLASSIC),
    ("NotReady", "br-connection-adapter-not-powered", Connect, Meaning::Off),
    ("Failed", "br-connection-canceled", Connect, Meaning::Again),
    ("Failed", "br-connection-key-missing", Connect, Meaning::Pairing),
    ("Failed", "le-connection-gatt-browsing", Connect, Meaning::Again),
    ("Failed", "br-connection-sdp-search", Connect, Meaning::Again),
    ("AlreadyConnected", "Already Connected", Connect, Meaning::Done),
    ("AuthenticationFailed", "Authentication Failed", Connect, Meaning::Pairing),
    ("NotConnected", "Not Connected", Disconnect, Meaning::Done),
    ("NotConnected", "Not Connected", Subscribe, Meaning::NoLink),
    ("Failed", "Not connected", Gatt, Meaning::NoLink),
    ("Failed", "Not connected", Unsubscribe, Meaning::Done),
    ("NotPermitted", "Read not permitted", Gatt, Meaning::Att(0x02)),
    ("NotPermitted", "Write not permitted", Gatt, Meaning::Att(0x03)),
    ("NotPermitted", "Write not permitted", Subscribe, Meaning::Att(0x03)),
    ("NotPermitted", "Not paired", Gatt, Meaning::Pairing),
    ("AlreadyExists", "Already Exists", Pair, Meaning::Done),
    ("AuthenticationFailed", "Authentication Failed", Pair, Meaning::Pairing),
    ("AuthenticationRejected", "Authentication Rejected", Pair, Meaning::Pairing),
    ("AuthenticationCanceled", "Authentication Canceled", Pair, Meaning::Pairing),
    ("AuthenticationTimeout", "Authentication Timeout", Pair, Meaning::Pairing),
    ("InProgress", "In Progress", Pair, Meaning::Held),
    ("ConnectionAttemptFailed", "Page Timeout", Pair, Meaning::NoLink),
    ("NotConnected", "Not Connected", Pair, Meaning::NoLink),
    ("Failed", "Not connected", Pair, Meaning::NoLink),
    ("NotAuthorized", "Operation Not Authorized", Gatt, Meaning::Att(0x08)),
    ("NotSupported", "Operation is not supported", Subscribe, Meaning::Unsupported),
    ("InvalidArguments", "Invalid offset", Gatt, Meaning::Att(0x07)),
    ("InvalidArguments", "Invalid Length", Gatt, Meaning::Att(0x0d)),
    ("InvalidArguments", "Invalid arguments in method call", Gatt, Meaning::Unknown),
    ("Failed", "Operation failed with ATT error: 0x0e", Gatt, Meaning::Att(0x0e)),
    ("Failed", "Operation failed with ATT error: 0x80 (vendor)", Gatt, Meaning::Att(0x80)),
    ("Failed", "Operation failed with ATT error: 0x", Gatt, Meaning::Unknown),
    ("Failed", "Operation failed with ATT error: 0x1ff", Gatt, Meaning::Unknown),
    ("InProgress", "In Progress", Gatt, Meaning::Unknown),
    ("InProgress", "In Progress", Subscribe, Meaning::Done),
    ("NotPermitted", "Write acquired", Gatt, Meaning::Held),
    ("NotPermitted", "Notify acquired", Subscribe, Meaning::Held),
    ("Failed", "Failed to initiate write", Gatt, Meaning::NotSent),
    ("Failed", "Failed to send read request", Gatt, Meaning::NotSent),
    ("Failed", "No ATT transport", Gatt, Meaning::NoLink),
    ("Failed", "Failed to register notify session", Subscribe, Meaning::NotSent),
    ("Failed", "Failed to subscribe", Subscribe, Meaning::NotSent),
    ("Failed", "Failed allocate notify session", Subscribe, Meaning::NotSent),
    ("Failed", "No notify session started", Unsubscribe, Meaning::Done),
    ("DoesNotExist", "Does Not Exist", Connect, Meaning::Gone),
    ("SomethingNew", "of a later BlueZ", Gatt, Meaning::Unknown),
];

#[rustfmt::skip]
const THE_BUS_SAYS: &[(&str, &str, Operation, Meaning)] = &[
    ("ServiceUnknown", "The name org.bluez was not provided by any .service files", Ask, Meaning::ServiceDown),
    ("NameHasNoOwner", "Could not activate remote peer 'org.bluez': activation request failed: unknown unit", Ask, Meaning::ServiceDown),
    ("Spawn.ExecFailed", "Failed to execute program org.bluez", Ask, Meaning::ServiceDown),
    ("FileNotFound", "Failed to connect to socket /run/dbus/system_bus_socket: No such file or directory", Ask, Meaning::NoBus),
    ("AccessDenied", "Rejected send message, 2 matched rules; type=\"method_call\"", Ask, Meaning::Denied),
    ("AccessDenied", "Rejected send message, 2 matched rules; type=\"method_call\"", Connect, Meaning::Denied),
    ("NoReply", "Did not receive a reply. Possible causes include: the remote application did not send a reply", Connect, Meaning::NoAnswer),
    ("NoReply", "Message recipient disconnected from message bus without replying", Connect, Meaning::ServiceDown),
    ("Timeout", "Timeout waiting for reply", Gatt, Meaning::NoAnswer),
    ("UnknownObject", "Method \"Connect\" with signature \"\" on interface \"org.bluez.Device1\" doesn't exist", Connect, Meaning::Gone),
    ("UnknownObject", "Method \"StopNotify\" with signature \"\" doesn't exist", Unsubscribe, Meaning::Done),
    ("UnknownObject", "Method \"Disconnect\" with signature \"\" doesn't exist", Disconnect, Meaning::Done),
    ("LimitsExceeded", "Connection \":1.52\" is not allowed to add more match rules", Ask, Meaning::Unknown),
];

#[test]
fn every_refusal_that_is_known_has_its_meaning() {
    for (prefix, rows) in [(BLUEZ, BLUEZ_SAYS), (FREEDESKTOP, THE_BUS_SAYS)] {
        for (kind, message, operation, meaning) in rows {
            let fault = PlatformError::new(format!("{prefix}{kind}"), *message);
            assert_eq!(&fault.meaning(*operation), meaning, "{operation:?}: {kind} {message:?}");
        }
    }
}

#[test]
fn what_the_client_library_says_has_its_meaning() {
    assert_eq!(PlatformError::own("Service discovery timed out").meaning(Connect), Meaning::Unresolved);
    assert_eq!(PlatformError::own("No Bluetooth adapters found.").meaning(Ask), Meaning::NoAdapter);
    assert_eq!(PlatformError::own("Required property Address missing.").meaning(Gatt), Meaning::Unknown);
}

#[test]
fn each_error_has_its_code() {
    let code = |name: &str, message: &str, operation| {
        PlatformError::new(name, message).error(operation, CONTEXT).code()
    };
    assert_eq!(code("org.bluez.Error.NotReady", "Resource Not Ready", Scan), "adapter.off");
    assert_eq!(code("org.bluez.Error.Blocked", "Blocked through rfkill", Scan), "adapter.blocked");
    assert_eq!(code("org.bluez.Error.InProgress", "Operation already in progress", Scan), "scan.busy");
    assert_eq!(code("org.bluez.Error.Failed", "le-connection-abort-by-local", Connect), "connect.failed");
    assert_eq!(code("org.bluez.Error.Failed", "Not connected", Gatt), "link.lost");
    assert_eq!(code("org.bluez.Error.NotPermitted", "Not paired", Gatt), "bulb.needs_pairing");
    assert_eq!(code("org.bluez.Error.NotPermitted", "Write acquired", Gatt), "bulb.held");
    assert_eq!(
        code("org.bluez.Error.NotSupported", "Operation is not supported", Subscribe),
        "bulb.unsupported"
    );
    assert_eq!(code("org.bluez.Error.Failed", "Failed to initiate write", Gatt), "bulb.unsupported");
    assert_eq!(code("org.bluez.Error.Failed", "Operation failed with ATT error: 0x0d", Gatt), "bulb.refused");
    assert_eq!(code("org.freedesktop.DBus.Error.AccessDenied", "no", Connect), "service.denied");
    assert_eq!(code("org.freedesktop.DBus.Error.ServiceUnknown", "no", Ask), "service.down");
    assert_eq!(code("org.freedesktop.DBus.Error.FileNotFound", "no", Ask), "service.no_bus");
    assert_eq!(code("org.freedesktop.DBus.Error.NoReply", "no", Connect), "connect.timeout");
    assert_eq!(code("org.freedesktop.DBus.Error.NoReply", "no", Gatt), "bulb.timeout");
    assert_eq!(code("org.freedesktop.DBus.Error.NoReply", "no", Ask), "service.silent");
    assert_eq!(code("", "Service discovery timed out", Connect), "discover.timeout");
    assert_eq!(code("", "Invalid characteristic flag \"x\"", Gatt), "internal");
}

#[test]
fn what_is_not_known_keeps_its_text() {
    let fault = PlatformError::new("org.bluez.Error.SomethingNew", "of a later BlueZ");
    for operation in [Ask, Scan, Connect, Gatt, Subscribe] {
        let text = fault.error(operation, CONTEXT).to_string();
        assert!(text.contains("of a later BlueZ (org.bluez.Error.SomethingNew)"), "{text}");
    }
}

#[test]
fn a_failed_connect_is_told_in_words_with_the_code() {
    let fault = PlatformError::new("org.bluez.Error.Failed", "le-connection-abort-by-local");
    let text = fault.error(Connect, CONTEXT).to_string();
    assert!(text.contains("lost before it was usable (le-connection-abort-by-local)"), "{text}");
    assert_eq!(PlatformError::own(LOST_EARLY).reason(), LOST_EARLY);
}

#[test]
fn the_name_of_a_dbus_error_survives_btleplug() {
    #[cfg(target_os = "linux")]
    {
        let error = dbus::Error::new_custom("org.bluez.Error.Failed", "Not connected");
        // Does not compile when btleplug uses another version of bluez-async than we do.
        let error = btleplug::Error::from(bluez_async::BluetoothError::DbusError(error));
        assert_eq!(PlatformError::from(error), PlatformError::new("org.bluez.Error.Failed", "Not connected"));
    }
    assert_eq!(PlatformError::from(btleplug::Error::NotConnected).meaning(Gatt), Meaning::NoLink);
    assert_eq!(PlatformError::from(btleplug::Error::DeviceNotFound).meaning(Connect), Meaning::Gone);
    let other = PlatformError::from(btleplug::Error::RuntimeError("odd".to_owned()));
    assert_eq!(other.meaning(Gatt), Meaning::Unknown);
    assert!(other.text().contains("odd"));
}
