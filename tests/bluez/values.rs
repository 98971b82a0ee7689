//! Values that cannot be.

use super::*;

#[test]
fn a_device_is_found_whatever_its_signal_strength_is_said_to_be() {
    let machine = Machine::new(0);
    let odd = [
        None,
        Some(Value::I16(127)),
        Some(Value::I16(-300)),
        Some(Value::text("loud")),
        Some(Value::Byte(200)),
    ];
    for (n, rssi) in (1..).zip(odd) {
        let rssi = rssi.map(|rssi| ("RSSI", rssi));
        let name = ("Name", Value::Text(format!("Light-{n}")));
        let more: Vec<_> = [Some(name), rssi].into_iter().flatten().collect();
        machine.bluez.advertise_as(&bulb(n), &more);
    }
    let scan = machine.run(&["scan", "--json", "--duration", "1s"]);
    let devices = of_type(&scan, "device");
    assert_eq!((code(&scan), devices.len()), (0, 5), "{}", text(&scan));
    assert!(devices.iter().all(|device| device["rssi"].is_null()), "{}", text(&scan));
    machine.bluez.forgets_devices();
    let on = machine.run(&["on", "Light-1", "--json"]);
    assert_eq!(code(&on), 0, "{}", text(&on));
}

#[test]
fn a_battery_level_that_cannot_be_is_malformed() {
    let machine = Machine::new(1);
    machine.bluez.know(1);
    for (value, expected) in [
        (Value::Byte(87), (0, None)),
        (Value::Byte(255), (9, Some("battery.malformed"))),
        (Value::text("full"), (4, Some("service.malformed"))),
    ] {
        machine.bluez.put(&bulb(1), "org.bluez.Battery1", &[("Percentage", value)]);
        let battery = machine.run(&["battery", "Light-1", "--json"]);
        let errors = of_type(&battery, "error");
        let error = errors.first().and_then(|error| error["code"].as_str());
        assert_eq!((code(&battery), error), expected, "{}", text(&battery));
    }
}

#[test]
fn a_service_that_does_not_answer_is_told_so() {
    let machine = Machine::new(1);
    machine.bluez.know(1);
    machine.bluez.script("Get org.bluez.Battery1", [Reply::Silence]);
    let battery = machine.run(&["battery", "Light-1", "--json"]);
    let error = &of_type(&battery, "error")[0]["code"];
    assert_eq!((code(&battery), error), (4, &"service.silent".into()), "{}", text(&battery));

    machine.bluez.script("GetManagedObjects", [Reply::Silence]);
    let start = std::time::Instant::now();
    let status = machine.run(&["status", "Light-1", "--json", "--timeout", "1s"]);
    let error = &of_type(&status, "error")[0]["code"];
    assert_eq!((code(&status), error), (4, &"service.silent".into()), "{}", text(&status));
    assert!(start.elapsed().as_secs_f64() < 2.5);
}

#[test]
fn an_answer_of_the_wrong_type_is_told_so() {
    for (method, arguments) in [
        ("ReadValue", &["status", "Light-1"][..]),
        ("GetManagedObjects", &["status", "Light-1"]),
        ("GetManagedObjects", &["scan", "--duration", "1s"]),
        ("Get org.bluez.Device1", &["status", "Light-1"]),
        ("Get org.bluez.Battery1", &["battery", "Light-1"]),
        ("GetAll", &["info", "Light-1"]),
    ] {
        let machine = Machine::new(1);
        machine.bluez.know(1);
        machine.bluez.script(method, [Reply::Text("of another type")]);
        let output = machine.run(&[arguments, &["--json", "--timeout", "3s"]].concat());
        assert_eq!(
            (code(&output), &of_type(&output, "error")[0]["code"]),
            (4, &"service.malformed".into()),
            "{method}, {arguments:?}: {}",
            text(&output)
        );
    }
}

#[test]
fn an_adapter_that_does_not_say_whether_it_is_on_is_used() {
    let machine = Machine::new(1);
    for powered in [Value::text("maybe"), Value::Byte(1)] {
        machine.bluez.put(ADAPTER, "org.bluez.Adapter1", &[("Powered", powered)]);
        let on = machine.run(&["on", "Light-1", "--json"]);
        assert_eq!(code(&on), 0, "{}", text(&on));
        let doctor = machine.run(&["doctor", "--json"]);
        let adapter = &of_type(&doctor, "doctor")[0]["adapters"][0];
        assert_eq!((code(&doctor), &adapter["chosen"]), (0, &true.into()), "{}", text(&doctor));
        assert!(adapter["powered"].is_null() && adapter["discovering"].is_null(), "{}", text(&doctor));
    }
}

/// The adapters that the kernel of this computer has.
fn adapters_of_the_kernel() -> Vec<String> {
    let entries = std::fs::read_dir("/sys/class/bluetooth").into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| !name.contains(':')).collect();
    names.sort();
    names
}

#[test]
fn doctor_says_what_the_system_tells_without_the_bus() {
    let machine = Machine::new(1);
    let dir = tempfile::TempDir::new().unwrap();
    // Lets anybody connect, and answers nothing.
    let _silent = std::os::unix::net::UnixListener::bind(dir.path().join("bus")).unwrap();
    let at = |name: &str| format!("unix:path={}", dir.path().join(name).display());
    let doctor = |address: Option<String>| {
        let mut doctor = machine.bulbctl(&["doctor", "--json", "--timeout", "1s"]);
        doctor.envs(address.map(|address| ("DBUS_SYSTEM_BUS_ADDRESS", address))).output().unwrap()
    };
    machine.bluez.script("GetManagedObjects", [Reply::Silence]);
    for (address, code_of_it) in
        [(None, "service.silent"), (Some(at("bus")), "service.silent"), (Some(at("none")), "service.no_bus")]
    {
        let start = std::time::Instant::now();
        let doctor = doctor(address);
        let record = &of_type(&doctor, "doctor")[0];
        assert_eq!(
            (code(&doctor), &record["findings"][0]["code"]),
            (4, &code_of_it.into()),
            "{}",
            text(&doctor)
        );
        assert!(record["kernel"].is_string() && record["system"] == "BlueZ on D-Bus", "{}", text(&doctor));
        let adapters = record["adapters"].as_array().unwrap();
        let names: Vec<_> = adapters.iter().map(|one| one["name"].as_str().unwrap()).collect();
        assert_eq!(names, adapters_of_the_kernel());
        assert!(adapters.iter().all(|one| one["discovering"].is_null() && one["powered"] != true));
        assert!(start.elapsed().as_secs_f64() < 2.5, "{code_of_it}");
    }
}

/// BlueZ does not report `Connected` if it learns of the link from the socket first (`att_connect_cb` in its
/// `src/device.c`): seen on the real stack under load.
#[test]
fn a_link_that_bluez_does_not_report_is_used_and_ended() {
    let machine = Machine::new(1);
    machine.bluez.does_not_signal("Connected");
    let on = machine.run(&["on", "Light-1", "--json", "--timeout", "5s"]);
    assert_eq!(code(&on), 0, "{}", text(&on));
    assert_eq!(machine.bluez.count("Disconnect"), 1, "{}", text(&on));
}
