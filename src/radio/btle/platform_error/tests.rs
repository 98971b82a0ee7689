use super::Operation::{Connect, Disconnect, Pair, QueryService, StartScan, StopScan};
use super::*;

const WRITE: Operation = Operation::Write(String::new());
const READ: Operation = Operation::Read(String::new());
const SUBSCRIBE: Operation = Operation::Subscribe(String::new());
const UNSUBSCRIBE: Operation = Operation::Unsubscribe(String::new());

const CONTEXT: Context<'_> =
    Context { adapter: "hci0", device: "Light-1", rssi: Some(-60), waited: Duration::from_secs(2) };

/// Errors of BlueZ (its source from 5.53 to 5.87, and reports from the field): the name without its prefix, the
/// message, what was asked, and what we make of it.
#[rustfmt::skip]
const BLUEZ_SAYS: &[(&str, &str, Operation, ErrorClass)] = &[
    ("NotReady", "Resource Not Ready", StartScan, ErrorClass::Off),
    ("NotReady", "Resource Not Ready", StopScan, ErrorClass::Done),
    ("Blocked", "Blocked through rfkill", StartScan, ErrorClass::Blocked),
    ("Busy", "", StartScan, ErrorClass::Blocked),
    ("InProgress", "Operation already in progress", StartScan, ErrorClass::Again),
    ("Failed", "Operation already in progress", StartScan, ErrorClass::Again),
    ("Failed", "Input/output error", StartScan, ErrorClass::Again),
    ("Failed", "Operation already in progress", Connect, ErrorClass::Again),
    ("Failed", "Input/output error", Connect, ErrorClass::Again),
    ("Failed", "No discovery started", StopScan, ErrorClass::Done),
    ("InProgress", "In Progress", Connect, ErrorClass::Again),
    ("InProgress", "br-connection-busy", Connect, ErrorClass::Again),
    ("Failed", "le-connection-abort-by-local", Connect, ErrorClass::Again),
    ("Failed", "Software caused connection abort", Connect, ErrorClass::Again),
    ("Failed", "le-connection-timeout", Connect, ErrorClass::Again),
    ("Failed", "le-connection-refused", Connect, ErrorClass::Again),
    ("Failed", "le-connection-busy", Connect, ErrorClass::Again),
    ("Failed", "le-connection-abort-by-remote", Connect, ErrorClass::Again),
    ("Failed", "le-connection-link-layer-protocol-error", Connect, ErrorClass::Again),
    ("Failed", "le-connection-unknown", Connect, ErrorClass::Again),
    ("Failed", "le-connection-already-connected", Connect, ErrorClass::Done),
    ("Failed", "le-connection-concurrent-connection-limit", Connect, ErrorClass::Limit),
    ("Failed", "le-connection-adapter-not-powered", Connect, ErrorClass::Off),
    ("Failed", "le-connection-key-missing", Connect, ErrorClass::Pairing),
    ("Failed", "le-connection-memory-allocation", Connect, ErrorClass::Hopeless("the system is out of resources")),
    ("Failed", "le-connection-not-supported", Connect, ErrorClass::Hopeless("the adapter cannot do this")),
    ("NotAvailable", "br-connection-profile-unavailable", Connect, CLASSIC),
    ("Failed", "br-connection-profile-unavailable", Connect, CLASSIC),
    ("BREDR.ProfileUnavailable", "No more profiles to connect to", Connect, CLASSIC),
    ("NotReady", "br-connection-adapter-not-powered", Connect, ErrorClass::Off),
    ("Failed", "br-connection-canceled", Connect, ErrorClass::Again),
    ("Failed", "br-connection-key-missing", Connect, ErrorClass::Pairing),
    ("Failed", "le-connection-gatt-browsing", Connect, ErrorClass::Again),
    ("Failed", "br-connection-sdp-search", Connect, ErrorClass::Again),
    ("AlreadyConnected", "Already Connected", Connect, ErrorClass::Done),
    ("AuthenticationFailed", "Authentication Failed", Connect, ErrorClass::Pairing),
    ("NotConnected", "Not Connected", Disconnect, ErrorClass::Done),
    ("NotConnected", "Not Connected", SUBSCRIBE, ErrorClass::NoLink),
    ("Failed", "Not connected", WRITE, ErrorClass::NoLink),
    ("Failed", "Not connected", UNSUBSCRIBE, ErrorClass::Done),
    ("NotPermitted", "Read not permitted", WRITE, ErrorClass::Att(0x02)),
    ("NotPermitted", "Write not permitted", WRITE, ErrorClass::Att(0x03)),
    ("NotPermitted", "Write not permitted", SUBSCRIBE, ErrorClass::Att(0x03)),
    ("NotPermitted", "Not paired", WRITE, ErrorClass::Pairing),
    ("AlreadyExists", "Already Exists", Pair, ErrorClass::Done),
    ("AuthenticationFailed", "Authentication Failed", Pair, ErrorClass::Pairing),
    ("AuthenticationRejected", "Authentication Rejected", Pair, ErrorClass::Pairing),
    ("AuthenticationCanceled", "Authentication Canceled", Pair, ErrorClass::Pairing),
    ("AuthenticationTimeout", "Authentication Timeout", Pair, ErrorClass::Pairing),
    ("InProgress", "In Progress", Pair, ErrorClass::Held),
    ("ConnectionAttemptFailed", "Page Timeout", Pair, ErrorClass::NoLink),
    ("NotConnected", "Not Connected", Pair, ErrorClass::NoLink),
    ("Failed", "Not connected", Pair, ErrorClass::NoLink),
    ("NotAuthorized", "Operation Not Authorized", WRITE, ErrorClass::Att(0x08)),
    ("NotSupported", "Operation is not supported", SUBSCRIBE, ErrorClass::Unsupported),
    ("InvalidArguments", "Invalid offset", WRITE, ErrorClass::Att(0x07)),
    ("InvalidArguments", "Invalid Length", WRITE, ErrorClass::Att(0x0d)),
    ("InvalidArguments", "Invalid arguments in method call", WRITE, ErrorClass::Unknown),
    ("Failed", "Operation failed with ATT error: 0x0e", WRITE, ErrorClass::Att(0x0e)),
    ("Failed", "Operation failed with ATT error: 0x80 (vendor)", WRITE, ErrorClass::Att(0x80)),
    ("Failed", "Operation failed with ATT error: 0x", WRITE, ErrorClass::Unknown),
    ("Failed", "Operation failed with ATT error: 0x1ff", WRITE, ErrorClass::Unknown),
    ("InProgress", "In Progress", WRITE, ErrorClass::Again),
    ("InProgress", "In Progress", READ, ErrorClass::Again),
    ("InProgress", "In Progress", UNSUBSCRIBE, ErrorClass::Again),
    ("InProgress", "In Progress", SUBSCRIBE, ErrorClass::Done),
    ("NotPermitted", "Write acquired", WRITE, ErrorClass::Held),
    ("NotPermitted", "Notify acquired", SUBSCRIBE, ErrorClass::Held),
    ("Failed", "Failed to initiate write", WRITE, ErrorClass::NotSent),
    ("Failed", "Failed to send read request", WRITE, ErrorClass::NotSent),
    ("Failed", "No ATT transport", WRITE, ErrorClass::NoLink),
    ("Failed", "No ATT transport", UNSUBSCRIBE, ErrorClass::Done),
    ("Failed", "Failed", Pair, ErrorClass::Unknown),
    ("NotSupported", "Operation is not supported", Pair, ErrorClass::Unknown),
    ("NotSupported", "Operation is not supported", WRITE, ErrorClass::Unsupported),
    ("NotSupported", "Operation is not supported", READ, ErrorClass::Unsupported),
    ("NotReady", "Resource Not Ready", WRITE, ErrorClass::Off),
    ("NotReady", "Resource Not Ready", QueryService, ErrorClass::Off),
    ("Busy", "", StopScan, ErrorClass::Again),
    ("Blocked", "Blocked through rfkill", QueryService, ErrorClass::Blocked),
    ("NotAvailable", "Operation currently not available", Connect, CLASSIC),
    ("Failed", "le-connection-invalid-arguments", Connect, ErrorClass::Hopeless("the adapter cannot do this")),
    ("Failed", "le-connection-bad-socket", Connect, ErrorClass::Hopeless("the system is out of resources")),
    ("Failed", "le-connection-create-socket", Connect, ErrorClass::Hopeless("the system is out of resources")),
    ("Failed", "le-connection-some-new-one", Connect, ErrorClass::Again),
    ("Failed", "Not connected", READ, ErrorClass::NoLink),
    ("NotPermitted", "Write acquired", READ, ErrorClass::Held),
    ("NotPermitted", "Notify acquired", UNSUBSCRIBE, ErrorClass::Held),
    ("Failed", "Operation failed with ATT error: 0x01", READ, ErrorClass::Att(0x01)),
    ("Failed", "Operation failed with ATT error: 0xff", SUBSCRIBE, ErrorClass::Att(0xff)),
    ("Failed", "Failed to register notify session", SUBSCRIBE, ErrorClass::NotSent),
    ("Failed", "Failed to subscribe", SUBSCRIBE, ErrorClass::NotSent),
    ("Failed", "Failed allocate notify session", SUBSCRIBE, ErrorClass::NotSent),
    ("Failed", "No notify session started", UNSUBSCRIBE, ErrorClass::Done),
    ("DoesNotExist", "Does Not Exist", Connect, ErrorClass::Gone),
    ("SomethingNew", "of a later BlueZ", WRITE, ErrorClass::Unknown),
];

#[rustfmt::skip]
const THE_BUS_SAYS: &[(&str, &str, Operation, ErrorClass)] = &[
    ("ServiceUnknown", "The name org.bluez was not provided by any .service files", QueryService, ErrorClass::ServiceDown),
    ("NameHasNoOwner", "Could not activate remote peer 'org.bluez': activation request failed: unknown unit", QueryService, ErrorClass::ServiceDown),
    ("Spawn.ExecFailed", "Failed to execute program org.bluez", QueryService, ErrorClass::ServiceDown),
    ("FileNotFound", "Failed to connect to socket /run/dbus/system_bus_socket: No such file or directory", QueryService, ErrorClass::NoBus),
    ("AccessDenied", "Rejected send message, 2 matched rules; type=\"method_call\"", QueryService, ErrorClass::Denied),
    ("AccessDenied", "Rejected send message, 2 matched rules; type=\"method_call\"", Connect, ErrorClass::Denied),
    ("NoReply", "Did not receive a reply. Possible causes include: the remote application did not send a reply", Connect, ErrorClass::NoAnswer),
    ("NoReply", "Message recipient disconnected from message bus without replying", Connect, ErrorClass::ServiceDown),
    ("Timeout", "Timeout waiting for reply", WRITE, ErrorClass::NoAnswer),
    ("UnknownObject", "Method \"Connect\" with signature \"\" on interface \"org.bluez.Device1\" doesn't exist", Connect, ErrorClass::Gone),
    ("UnknownObject", "Method \"StopNotify\" with signature \"\" doesn't exist", UNSUBSCRIBE, ErrorClass::Done),
    ("UnknownObject", "Method \"Disconnect\" with signature \"\" doesn't exist", Disconnect, ErrorClass::Done),
    ("UnknownObject", "Method \"GetAll\" with signature \"s\" doesn't exist", QueryService, ErrorClass::Gone),
    ("UnknownObject", "Method \"WriteValue\" with signature \"aya{sv}\" doesn't exist", WRITE, ErrorClass::Gone),
    ("UnknownObject", "Method \"AcquireNotify\" with signature \"a{sv}\" doesn't exist", SUBSCRIBE, ErrorClass::Gone),
    ("UnknownObject", "Method \"StartDiscovery\" with signature \"\" doesn't exist", StartScan, ErrorClass::Gone),
    ("NoReply", "Did not receive a reply.", StartScan, ErrorClass::NoAnswer),
    ("NoReply", "Did not receive a reply.", QueryService, ErrorClass::NoAnswer),
    ("NoReply", "Did not receive a reply.", Pair, ErrorClass::NoAnswer),
    ("LimitsExceeded", "Connection \":1.52\" is not allowed to add more match rules", QueryService, ErrorClass::Unknown),
];

#[test]
fn known_errors_are_classified() {
    for (prefix, rows) in [(BLUEZ, BLUEZ_SAYS), (FREEDESKTOP, THE_BUS_SAYS)] {
        for (kind, message, operation, class) in rows {
            let error = PlatformError::new(format!("{prefix}{kind}"), *message);
            assert_eq!(&error.classify(operation), class, "{operation:?}: {kind} {message:?}");
        }
    }
}

/// The errors that come from a mistake of ours, or from a BlueZ that we do not know.
const OURS: [&str; 5] = [
    "Invalid arguments in method call",
    "is not allowed to add more match rules",
    "of a later BlueZ",
    "ATT error: 0x1ff",
    "ATT error: 0x\u{0}",
];

#[test]
fn no_known_error_is_unexpected() {
    for (prefix, rows) in [(BLUEZ, BLUEZ_SAYS), (FREEDESKTOP, THE_BUS_SAYS)] {
        for (kind, message, operation, class) in rows {
            let error = PlatformError::new(format!("{prefix}{kind}"), *message);
            let ours = OURS.iter().any(|ours| format!("{message}\u{0}").contains(ours));
            // What is done is no error.
            if *class != ErrorClass::Done {
                let code = error.to_error(operation, CONTEXT).code();
                assert_eq!(code == "internal", ours, "{operation:?}: {kind} {message:?} is {code}");
            }
        }
    }
}

#[test]
fn errors_of_the_client_library_are_classified() {
    for (message, operation, class) in [
        ("Service discovery timed out", Connect, ErrorClass::Unresolved),
        ("No Bluetooth adapters found.", QueryService, ErrorClass::NoAdapter),
        ("Required property Address missing.", WRITE, ErrorClass::Unknown),
    ] {
        assert_eq!(PlatformError::unnamed(message).classify(&operation), class, "{message}");
    }
}

#[test]
fn each_error_has_its_code() {
    for (name, message, operation, code) in [
        ("org.bluez.Error.NotReady", "Resource Not Ready", StartScan, "adapter.off"),
        ("org.bluez.Error.Blocked", "Blocked through rfkill", StartScan, "adapter.blocked"),
        ("org.bluez.Error.InProgress", "Operation already in progress", StartScan, "scan.busy"),
        ("org.bluez.Error.Failed", "le-connection-abort-by-local", Connect, "connect.failed"),
        ("org.bluez.Error.Failed", "Not connected", WRITE, "link.lost"),
        ("org.bluez.Error.NotPermitted", "Not paired", WRITE, "bulb.needs_pairing"),
        ("org.bluez.Error.NotPermitted", "Write acquired", WRITE, "bulb.held"),
        ("org.bluez.Error.InProgress", "In Progress", WRITE, "bulb.held"),
        ("org.bluez.Error.Failed", "Failed", Pair, "bulb.needs_pairing"),
        ("org.bluez.Error.NotSupported", "Operation is not supported", SUBSCRIBE, "bulb.unsupported"),
        ("org.bluez.Error.Failed", "Failed to initiate write", WRITE, "bulb.unsupported"),
        ("org.bluez.Error.Failed", "Operation failed with ATT error: 0x0d", WRITE, "bulb.refused"),
        ("org.freedesktop.DBus.Error.AccessDenied", "no", Connect, "service.denied"),
        ("org.freedesktop.DBus.Error.ServiceUnknown", "no", QueryService, "service.down"),
        ("org.freedesktop.DBus.Error.FileNotFound", "no", QueryService, "service.no_bus"),
        ("org.freedesktop.DBus.Error.NoReply", "no", Connect, "connect.timeout"),
        ("org.freedesktop.DBus.Error.NoReply", "no", WRITE, "bulb.timeout"),
        ("org.freedesktop.DBus.Error.NoReply", "no", QueryService, "service.silent"),
        (WRONG_TYPE, "no", QueryService, "service.malformed"),
        (WRONG_TYPE, "no", READ, "service.malformed"),
        (WRONG_TYPE, "no", Pair, "service.malformed"),
        ("", "Service discovery timed out", Connect, "discover.timeout"),
        ("", "Invalid characteristic flag \"x\"", WRITE, "internal"),
    ] {
        let error = PlatformError::new(name, message).to_error(&operation, CONTEXT);
        assert_eq!(error.code(), code, "{operation:?}: {name} {message:?}");
    }
}

#[test]
fn unknown_errors_keep_their_text() {
    let error = PlatformError::new("org.bluez.Error.SomethingNew", "of a later BlueZ");
    for operation in [QueryService, StartScan, Connect, WRITE, SUBSCRIBE] {
        let text = error.to_error(&operation, CONTEXT).to_string();
        assert!(text.contains("of a later BlueZ (org.bluez.Error.SomethingNew)"), "{text}");
    }
}

#[test]
fn a_failed_connect_is_told_in_words_with_the_code() {
    let error = PlatformError::new("org.bluez.Error.Failed", "le-connection-abort-by-local");
    let text = error.to_error(&Connect, CONTEXT).to_string();
    assert!(text.contains("dropped before it was usable (le-connection-abort-by-local)"), "{text}");
    assert_eq!(PlatformError::unnamed(LOST_EARLY).reason(), LOST_EARLY);
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
    assert_eq!(PlatformError::from(btleplug::Error::NotConnected).classify(&WRITE), ErrorClass::NoLink);
    assert_eq!(PlatformError::from(btleplug::Error::DeviceNotFound).classify(&Connect), ErrorClass::Gone);
    let other = PlatformError::from(btleplug::Error::RuntimeError("odd".to_owned()));
    assert_eq!(other.classify(&WRITE), ErrorClass::Unknown);
    assert!(other.text().contains("odd"));
}

/// After these, a lost bond may be the reason, and the hint says so.
#[test]
fn a_link_that_ended_at_once_is_told_from_other_failures() {
    let messages = |class: &ErrorClass, operation: &Operation| {
        let rows = BLUEZ_SAYS.iter().filter(move |(_, _, asked, of)| asked == operation && of == class);
        rows.map(|(_, message, ..)| *message).collect::<Vec<_>>()
    };
    let aborts: Vec<_> = messages(&ErrorClass::Again, &Connect)
        .into_iter()
        .filter(|message| PlatformError::new("org.bluez.Error.Failed", *message).is_abort())
        .collect();
    assert_eq!(
        aborts,
        [
            "le-connection-abort-by-local",
            "Software caused connection abort",
            "le-connection-refused",
            "le-connection-abort-by-remote"
        ]
    );
    for message in [LOST_EARLY, "br-connection-refused", "connection-refused"] {
        assert!(PlatformError::unnamed(message).is_abort(), "{message}");
    }
    for message in ["le-connection-timeout", "Not connected", ""] {
        assert!(!PlatformError::unnamed(message).is_abort(), "{message}");
    }
}

#[test]
fn errors_of_btleplug_are_classified() {
    use btleplug::Error as Plug;
    let late = || Plug::TimedOut(Duration::from_secs(1));
    for (error, operation, class) in [
        (Plug::PermissionDenied, QueryService, ErrorClass::Denied),
        (Plug::DeviceNotFound, Connect, ErrorClass::Gone),
        (Plug::NotConnected, WRITE, ErrorClass::NoLink),
        (Plug::NotConnected, Connect, ErrorClass::Again),
        (Plug::NotConnected, Disconnect, ErrorClass::Done),
        (Plug::NotConnected, UNSUBSCRIBE, ErrorClass::Done),
        (Plug::NotSupported("indications".to_owned()), SUBSCRIBE, ErrorClass::Unsupported),
        (Plug::NotSupported("reading".to_owned()), READ, ErrorClass::Unsupported),
        (late(), Connect, ErrorClass::NoAnswer),
        (late(), WRITE, ErrorClass::NoAnswer),
        (Plug::NoAdapterAvailable, QueryService, ErrorClass::NoAdapter),
        (Plug::RuntimeError("odd".to_owned()), WRITE, ErrorClass::Unknown),
    ] {
        let text = format!("{operation:?}: {error:?}");
        assert_eq!(PlatformError::from(error).classify(&operation), class, "{text}");
    }
}

#[test]
fn only_the_crate_says_that_a_request_was_not_sent() {
    assert!(PlatformError::unnamed("Failed to send message").is_unsent());
    for message in ["Failed to send read request", "Not connected", ""] {
        assert!(!failed_with(message).is_unsent(), "{message}");
    }
}

fn failed_with(message: &str) -> PlatformError {
    PlatformError::new("org.bluez.Error.Failed", message)
}

/// Without a device, it is the service that has nothing yet.
#[test]
fn what_is_gone_is_the_link_of_a_device_or_the_objects_of_a_service() {
    let gone = PlatformError::new("org.freedesktop.DBus.Error.UnknownObject", "doesn't exist");
    for (device, code) in [("Light-1", "link.lost"), ("", "service.silent")] {
        let error = gone.to_error(&QueryService, Context { device, ..CONTEXT });
        assert_eq!(error.code(), code, "{device:?}: {error}");
    }
}
