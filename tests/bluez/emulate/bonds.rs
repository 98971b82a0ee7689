//! Centrals that pair with an emulated bulb, and what is left of that.

use super::*;

const DEVICE: &str = "org.bluez.Device1";
/// Paired with the adapter before.
const KEYBOARD: &str = "/org/bluez/hci0/dev_4C_00_00_00_00_09";
/// The characteristic of a Hue bulb for on and off, which is closed to centrals without a bond.
const POWER: &str = "932c32bd-0002-47a2-835a-a8d455b859dd";

fn hue(machine: &Machine) -> (Emulation, String) {
    let bluez = &machine.bluez;
    let keyboard = [("Address", Value::text("4C:00:00:00:00:09")), ("Paired", Value::Bool(true))];
    bluez.put(KEYBOARD, DEVICE, &keyboard);
    let mut bulb = Emulation::start(machine, &["hue", "--name", "Light-1"]);
    bulb.wait_for("advertising");
    let answer = bluez.ask(BULB, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", ());
    let objects: HashMap<dbus::Path<'_>, HashMap<String, PropMap>> = answer.read1().unwrap();
    let is_power = |all: &HashMap<String, PropMap>| {
        all.get(CHARACTERISTIC)
            .and_then(|one| prop_cast::<String>(one, "UUID"))
            .is_some_and(|uuid| uuid == POWER)
    };
    let path = objects.iter().find(|(_, all)| is_power(all)).unwrap().0.to_string();
    (bulb, path)
}

/// The central connects, and then pairs.
fn pair(bluez: &Bluez, bulb: &mut Emulation) {
    connect(bluez);
    bulb.wait_for("connected");
    bluez.change(CENTRAL, DEVICE, "Address", Value::text("4C:00:00:00:00:01"));
    bluez.change(CENTRAL, DEVICE, "Paired", Value::Bool(true));
}

fn is_known(bluez: &Bluez, device: &str) -> bool {
    bluez.property(device, DEVICE, "Paired").is_some()
}

#[test]
fn a_central_that_pairs_and_subscribes_at_once_is_notified() {
    let machine = Machine::new(0);
    let (bluez, (mut bulb, power)) = (&machine.bluez, hue(&machine));
    pair(bluez, &mut bulb);
    bluez.ask(&power, CHARACTERISTIC, "StartNotify", ());
    bulb.wait_for("paired");
    bulb.wait_for("subscribed");
    for value in [1, 0] {
        write(bluez, &power, &[value]).unwrap();
        bluez.wait_for_sent("a notification", |message| {
            message.member().as_deref() == Some("PropertiesChanged")
                && message.path().as_deref() == Some(&*power)
                && message
                    .read2::<&str, PropMap>()
                    .is_ok_and(|(_, changed)| prop_cast(&changed, "Value") == Some(&vec![value]))
        });
    }
    bulb.interrupt();
}

#[test]
fn bonds_that_came_are_removed_at_the_end_and_no_others() {
    let machine = Machine::new(0);
    let (bluez, (mut bulb, power)) = (&machine.bluez, hue(&machine));
    pair(bluez, &mut bulb);
    read(bluez, &power, 0).unwrap();
    bulb.wait_for("paired");
    assert_eq!(bluez.count("RemoveDevice"), 0);
    bulb.interrupt();
    assert_eq!(bluez.count("RemoveDevice"), 1);
    assert!(is_known(bluez, KEYBOARD) && !is_known(bluez, CENTRAL));
}

#[test]
fn the_bond_of_a_bulb_that_needs_none_is_removed_too() {
    let machine = Machine::new(0);
    let bluez = &machine.bluez;
    let mut bulb = Emulation::base(&machine);
    pair(bluez, &mut bulb);
    disconnect(bluez);
    bulb.wait_for("disconnected");
    bulb.interrupt();
    assert!(!is_known(bluez, CENTRAL));
}

#[test]
fn a_bond_from_before_stays() {
    let machine = Machine::new(0);
    let bluez = &machine.bluez;
    let central = [("Address", Value::text("4C:00:00:00:00:01")), ("Paired", Value::Bool(true))];
    bluez.put(CENTRAL, DEVICE, &central);
    let (mut bulb, power) = hue(&machine);
    bluez.change(CENTRAL, DEVICE, "Connected", Value::Bool(true));
    bulb.wait_for("paired");
    read(bluez, &power, 0).unwrap();
    bulb.interrupt();
    assert_eq!(bluez.count("RemoveDevice"), 0);
    assert!(is_known(bluez, CENTRAL));
}

/// Kills a program while a central is paired with its bulb.
fn killed(machine: &Machine) {
    let (mut bulb, power) = hue(machine);
    pair(&machine.bluez, &mut bulb);
    read(&machine.bluez, &power, 0).unwrap();
    bulb.wait_for("paired");
    bulb.signal(rustix::process::Signal::KILL);
    assert_eq!(bulb.end().0, None);
    disconnect(&machine.bluez);
    assert!(is_known(&machine.bluez, CENTRAL));
}

#[test]
fn bonds_are_removed_after_a_kill() {
    let machine = Machine::new(0);
    let bluez = &machine.bluez;
    killed(&machine);
    let doctor = machine.run(&["doctor"]);
    assert!(text(&doctor).contains("adapter.bonds_removed"), "{}", text(&doctor));
    assert!(is_known(bluez, KEYBOARD) && !is_known(bluez, CENTRAL));
    let again = machine.run(&["doctor"]);
    assert!(!text(&again).contains("adapter.bonds_removed"), "{}", text(&again));

    killed(&machine);
    let (_, errors) = Emulation::base(&machine).interrupt();
    assert!(errors.contains("removed bonds of adapter hci0"), "{errors}");
    assert!(is_known(bluez, KEYBOARD) && !is_known(bluez, CENTRAL));
}

#[test]
fn a_bond_that_bluez_keeps_is_removed_the_next_time() {
    let machine = Machine::new(0);
    let (bluez, (mut bulb, power)) = (&machine.bluez, hue(&machine));
    pair(bluez, &mut bulb);
    read(bluez, &power, 0).unwrap();
    bulb.wait_for("paired");
    // As with an adapter that is off.
    bluez.script(
        "RemoveDevice",
        [Reply::Error("org.bluez.Error.NotReady", "Resource Not Ready"), Reply::Usual],
    );
    let (_, errors) = bulb.interrupt();
    assert!(errors.contains("cannot restore the name and the bonds"), "{errors}");
    assert_eq!(alias(bluez), "machine");
    assert!(is_known(bluez, CENTRAL));
    machine.run(&["doctor"]);
    assert!(!is_known(bluez, CENTRAL));
}
