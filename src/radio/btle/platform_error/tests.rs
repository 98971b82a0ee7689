use super::Operation::{Connect, Disconnect, Pair, QueryService, StartScan, StopScan};
use super::*;

const WRITE: Operation = Operation::Write(String::new());
const SUBSCRIBE: Operation = Operation::Subscribe(String::new());
const UNSUBSCRIBE: Operation = Operation::Unsubscribe(String::new());

const CONTEXT: Context<'_> =
    Context { adapter: "hci0", device: "Light-1", rssi: Some(-60), waited: Duration::from_secs(2) };

/// What BlueZ returns (its source from 5.53 to 5.87, and reports from the field): the name without its prefix, the
/// message, what was asked, and what we make of it.
#[rustfmt::skip]
const BLUEZ_SAYS: &[(&str, &str, Operation, Meaning)] = &[
    ("NotReady", "Resource Not Ready", StartScan, Meaning::Off),
    ("NotReady", "Resource Not Ready", StopScan, Meaning::Done),
    ("Blocked", "Blocked through rfkill", StartScan, Meaning::Blocked),
    ("Busy", "", StartScan, Meaning::Blocked),
    ("InProgress", "Operation already in progress", StartScan, Meaning::Again),
    ("Failed", "Operation already in progress", StartScan, Meaning::Again),
    ("Failed", "Input/output error", StartScan, Meaning::Again),
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
    ("NotConnected", "Not Connected", SUBSCRIBE, Meaning::NoLink),
    ("Failed", "Not connected", WRITE, Meaning::NoLink),
    ("Failed", "Not connected", UNSUBSCRIBE, Meaning::Done),
    ("NotPermitted", "Read not permitted", WRITE, Meaning::Att(0x02)),
    ("NotPermitted", "Write not permitted", WRITE, Meaning::Att(0x03)),
    ("NotPermitted", "Write not permitted", SUBSCRIBE, Meaning::Att(0x03)),
    ("NotPermitted", "Not paired", WRITE, Meaning::Pairing),
    ("AlreadyExists", "Already Exists", Pair, Meaning::Done),
    ("AuthenticationFailed", "Authentication Failed", Pair, Meaning::Pairing),
    ("AuthenticationRejected", "Authentication Rejected", Pair, Meaning::Pairing),
    ("AuthenticationCanceled", "Authentication Canceled", Pair, Meaning::Pairing),
    ("AuthenticationTimeout", "Authentication Timeout", Pair, Meaning::Pairing),
    ("InProgress", "In Progress", Pair, Meaning::Held),
    ("ConnectionAttemptFailed", "Page Timeout", Pair, Meaning::NoLink),
    ("NotConnected", "Not Connected", Pair, Meaning::NoLink),
    ("Failed", "Not connected", Pair, Meaning::NoLink),
    ("NotAuthorized", "Operation Not Authorized", WRITE, Meaning::Att(0x08)),
    ("NotSupported", "Operation is not supported", SUBSCRIBE, Meaning::Unsupported),
    ("InvalidArguments", "Invalid offset", WRITE, Meaning::Att(0x07)),
    ("InvalidArguments", "Invalid Length", WRITE, Meaning::Att(0x0d)),
    ("InvalidArguments", "Invalid arguments in method call", WRITE, Meaning::Unknown),
    ("Failed", "Operation failed with ATT error: 0x0e", WRITE, Meaning::Att(0x0e)),
    ("Failed", "Operation failed with ATT error: 0x80 (vendor)", WRITE, Meaning::Att(0x80)),
    ("Failed", "Operation failed with ATT error: 0x", WRITE, Meaning::Unknown),
    ("Failed", "Operation failed with ATT error: 0x1ff", WRITE, Meaning::Unknown),
    ("InProgress", "In Progress", WRITE, Meaning::Unknown),
    ("InProgress", "In Progress", SUBSCRIBE, Meaning::Done),
    ("NotPermitted", "Write acquired", WRITE, Meaning::Held),
    ("NotPermitted", "Notify acquired", SUBSCRIBE, Meaning::Held),
    ("Failed", "Failed to initiate write", WRITE, Meaning::NotSent),
    ("Failed", "Failed to send read request", WRITE, Meaning::NotSent),
    ("Failed", "No ATT transport", WRITE, Meaning::NoLink),
    ("Failed", "Failed to register notify session", SUBSCRIBE, Meaning::NotSent),
    ("Failed", "Failed to subscribe", SUBSCRIBE, Meaning::NotSent),
    ("Failed", "Failed allocate notify session", SUBSCRIBE, Meaning::NotSent),
    ("Failed", "No notify session started", UNSUBSCRIBE, Meaning::Done),
    ("DoesNotExist", "Does Not Exist", Connect, Meaning::Gone),
    ("SomethingNew", "of a later BlueZ", WRITE, Meaning::Unknown),
];

#[rustfmt::skip]
const THE_BUS_SAYS: &[(&str, &str, Operation, Meaning)] = &[
    ("ServiceUnknown", "The name org.bluez was not provided by any .service files", QueryService, Meaning::ServiceDown),
    ("NameHasNoOwner", "Could not activate remote peer 'org.bluez': activation request failed: unknown unit", QueryService, Meaning::ServiceDown),
    ("Spawn.ExecFailed", "Failed to execute program org.bluez", QueryService, Meaning::ServiceDown),
    ("FileNotFound", "Failed to connect to socket /run/dbus/system_bus_socket: No such file or directory", QueryService, Meaning::NoBus),
    ("AccessDenied", "Rejected send message, 2 matched rules; type=\"method_call\"", QueryService, Meaning::Denied),
    ("AccessDenied", "Rejected send message, 2 matched rules; type=\"method_call\"", Connect, Meaning::Denied),
    ("NoReply", "Did not receive a reply. Possible causes include: the remote application did not send a reply", Connect, Meaning::NoAnswer),
    ("NoReply", "Message recipient disconnected from message bus without replying", Connect, Meaning::ServiceDown),
    ("Timeout", "Timeout waiting for reply", WRITE, Meaning::NoAnswer),
    ("UnknownObject", "Method \"Connect\" with signature \"\" on interface \"org.bluez.Device1\" doesn't exist", Connect, Meaning::Gone),
    ("UnknownObject", "Method \"StopNotify\" with signature \"\" doesn't exist", UNSUBSCRIBE, Meaning::Done),
    ("UnknownObject", "Method \"Disconnect\" with signature \"\" doesn't exist", Disconnect, Meaning::Done),
    ("LimitsExceeded", "Connection \":1.52\" is not allowed to add more match rules", QueryService, Meaning::Unknown),
];

#[test]
fn every_refusal_that_is_known_has_its_meaning() {
    for (prefix, rows) in [(BLUEZ, BLUEZ_SAYS), (FREEDESKTOP, THE_BUS_SAYS)] {
        for (kind, message, operation, meaning) in rows {
            let fault = PlatformError::new(format!("{prefix}{kind}"), *message);
            assert_eq!(&fault.meaning(operation), meaning, "{operation:?}: {kind} {message:?}");
        }
    }
}

#[test]
fn what_the_client_library_says_has_its_meaning() {
    assert_eq!(PlatformError::own("Service discovery timed out").meaning(&Connect), Meaning::Unresolved);
    assert_eq!(PlatformError::own("No Bluetooth adapters found.").meaning(&QueryService), Meaning::NoAdapter);
    assert_eq!(PlatformError::own("Required property Address missing.").meaning(&WRITE), Meaning::Unknown);
}

#[test]
fn each_error_has_its_code() {
    let code = |name: &str, message: &str, operation: Operation| {
        PlatformError::new(name, message).error(&operation, CONTEXT).code()
    };
    assert_eq!(code("org.bluez.Error.NotReady", "Resource Not Ready", StartScan), "adapter.off");
    assert_eq!(code("org.bluez.Error.Blocked", "Blocked through rfkill", StartScan), "adapter.blocked");
    assert_eq!(code("org.bluez.Error.InProgress", "Operation already in progress", StartScan), "scan.busy");
    assert_eq!(code("org.bluez.Error.Failed", "le-connection-abort-by-local", Connect), "connect.failed");
    assert_eq!(code("org.bluez.Error.Failed", "Not connected", WRITE), "link.lost");
    assert_eq!(code("org.bluez.Error.NotPermitted", "Not paired", WRITE), "bulb.needs_pairing");
    assert_eq!(code("org.bluez.Error.NotPermitted", "Write acquired", WRITE), "bulb.held");
    assert_eq!(
        code("org.bluez.Error.NotSupported", "Operation is not supported", SUBSCRIBE),
        "bulb.unsupported"
    );
    assert_eq!(code("org.bluez.Error.Failed", "Failed to initiate write", WRITE), "bulb.unsupported");
    assert_eq!(
        code("org.bluez.Error.Failed", "Operation failed with ATT error: 0x0d", WRITE),
        "bulb.refused"
    );
    assert_eq!(code("org.freedesktop.DBus.Error.AccessDenied", "no", Connect), "service.denied");
    assert_eq!(code("org.freedesktop.DBus.Error.ServiceUnknown", "no", QueryService), "service.down");
    assert_eq!(code("org.freedesktop.DBus.Error.FileNotFound", "no", QueryService), "service.no_bus");
    assert_eq!(code("org.freedesktop.DBus.Error.NoReply", "no", Connect), "connect.timeout");
    assert_eq!(code("org.freedesktop.DBus.Error.NoReply", "no", WRITE), "bulb.timeout");
    assert_eq!(code("org.freedesktop.DBus.Error.NoReply", "no", QueryService), "service.silent");
    assert_eq!(code("", "Service discovery timed out", Connect), "discover.timeout");
    assert_eq!(code("", "Invalid characteristic flag \"x\"", WRITE), "internal");
}

#[test]
fn what_is_not_known_keeps_its_text() {
    let fault = PlatformError::new("org.bluez.Error.SomethingNew", "of a later BlueZ");
    for operation in [QueryService, StartScan, Connect, WRITE, SUBSCRIBE] {
        let text = fault.error(&operation, CONTEXT).to_string();
        assert!(text.contains("of a later BlueZ (org.bluez.Error.SomethingNew)"), "{text}");
    }
}

#[test]
fn a_failed_connect_is_told_in_words_with_the_code() {
    let fault = PlatformError::new("org.bluez.Error.Failed", "le-connection-abort-by-local");
    let text = fault.error(&Connect, CONTEXT).to_string();
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
    assert_eq!(PlatformError::from(btleplug::Error::NotConnected).meaning(&WRITE), Meaning::NoLink);
    assert_eq!(PlatformError::from(btleplug::Error::DeviceNotFound).meaning(&Connect), Meaning::Gone);
    let other = PlatformError::from(btleplug::Error::RuntimeError("odd".to_owned()));
    assert_eq!(other.meaning(&WRITE), Meaning::Unknown);
    assert!(other.text().contains("odd"));
}
