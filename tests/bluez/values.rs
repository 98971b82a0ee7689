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
        (Value::text("full"), (8, Some("bulb.no_battery"))),
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
fn doctor_says_what_it_can_of_a_service_that_does_not_answer() {
    let machine = Machine::new(1);
    machine.bluez.script("GetManagedObjects", [Reply::Silence]);
    let doctor = machine.run(&["doctor", "--json"]);
    let record = &of_type(&doctor, "doctor")[0];
    assert_eq!(
        (code(&doctor), &record["findings"][0]["code"]),
        (4, &"service.silent".into()),
        "{}",
        text(&doctor)
    );
    assert!(record["kernel"].is_string() && record["system"] == "BlueZ on D-Bus", "{}", text(&doctor));
}
