//! Links that are there already.

use super::*;

/// A bulb whose first answer to a read is slow, and which ends its link meanwhile.
const RIG: &str = include_str!("files/leaving.toml");

/// BlueZ ends a link two seconds after it was asked to: a command right after another finds one that is about to go.
#[test]
fn a_link_that_was_there_and_goes_is_made_anew() {
    for (arguments, power) in
        [(&["status"][..], false), (&["toggle"], true), (&["watch", "--count", "1"], false)]
    {
        let machine = Machine::new();
        assert_eq!(code(&machine.rig(RIG, &["connect", "Light-Held"])), 0);
        let output = machine.rig(RIG, &[arguments, &["Light-Held", "--json"]].concat());
        assert_eq!(code(&output), 0, "{arguments:?}: {output:?}");
        assert_eq!(of_type(&output, "state")[0]["power"], power, "{arguments:?}");
    }
}

/// A lost link of our own is not made again: the command may have been carried out.
#[test]
fn a_link_of_our_own_that_goes_is_lost() {
    let machine = Machine::new();
    let output = machine.rig(RIG, &["toggle", "Light-Held", "--json"]);
    failed(&output, 11, "link.lost");
}

/// Nothing is guessed about a device of which only the address is known: neither its type, nor that it is there.
#[test]
fn an_address_is_heard_before_it_is_connected_to() {
    let machine = Machine::new();
    let rig =
        |text: &str| format!("rig = 1\n[[bulb]]\nname = \"Light\"\naddress = \"C4:11:00:00:07:02\"\n{text}");
    for kind in ["public", "random"] {
        let rig = rig(&format!("address_type = \"{kind}\""));
        assert_eq!(code(&machine.rig(&rig, &["on", "c41100000702"])), 0, "{kind}");
    }
    let silent = rig("[[event]]\nat = \"0ms\"\nbulb = \"C4:11:00:00:07:02\"\ndo = \"vanish\"");
    let output = machine.rig(&silent, &["on", "c41100000702", "--json", "--timeout", "1s"]);
    failed(&output, 3, "target.not_found");
}

#[test]
fn of_two_batteries_the_first_is_told_with_a_warning() {
    let machine = Machine::new();
    let battery = |level: &str| {
        format!(
            "[[bulb.service]]\nuuid = \"180f\"\n[[bulb.service.characteristic]]\nuuid = \"2a19\"\n\
             properties = [\"read\"]\nvalue = \"{level}\"\n"
        )
    };
    let rig = format!(
        "rig = 1\n[[bulb]]\nname = \"Light-Two\"\naddress = \"C4:11:00:00:07:03\"\n{}{}",
        battery("2a"),
        battery("07")
    );
    let output = machine.rig(&rig, &["battery", "Light-Two", "--json"]);
    assert_eq!(of_type(&output, "battery")[0]["percent"], 42, "{output:?}");
    assert!(stderr(&output).contains("Light-Two has 2 battery levels"), "{}", stderr(&output));
    let each = machine.rig(&rig, &["gatt", "read", "Light-Two", "180f/2a19#2", "--json"]);
    assert_eq!(of_type(&each, "value")[0]["hex"], "07", "{each:?}");
    let one = format!(
        "rig = 1\n[[bulb]]\nname = \"Light-One\"\naddress = \"C4:11:00:00:07:04\"\n{}",
        battery("2a")
    );
    assert_eq!(stderr(&machine.rig(&one, &["battery", "Light-One"])), "");
}

const TWICE: &str = "rig = 1\n[[bulb]]\nname = \"Light-1\"\naddress = \"C4:11:00:00:00:01\"\n";
const LIGHT_SERVICE: &str = "[[bulb.service]]\nuuid = \"fff0\"\n\
    [[bulb.service.characteristic]]\nuuid = \"fff1\"\nproperties = [\"write\"]\n\
    [[bulb.service.characteristic]]\nuuid = \"fff2\"\nproperties = [\"read\", \"notify\"]\n";

#[test]
fn of_two_services_that_are_used_the_first_is_told_by_more_than_info() {
    let machine = Machine::new();
    let rig = format!("{TWICE}{LIGHT_SERVICE}{LIGHT_SERVICE}");
    let output = machine.rig(&rig, &["-v", "on", "Light-1"]);
    succeeded(&output);
    assert!(stderr(&output).contains("Light-1 has 2 services fff0"), "{}", stderr(&output));
    let other = "[[bulb.service]]\nuuid = \"abcd\"\n[[bulb.service.characteristic]]\nuuid = \"abce\"\nproperties = [\"read\"]\n";
    let output = machine.rig(&format!("{TWICE}{LIGHT_SERVICE}{other}{other}"), &["-v", "on", "Light-1"]);
    assert!(!stderr(&output).contains("2 services"), "bulbctl does not use them: {}", stderr(&output));
    assert_eq!(stderr(&machine.rig(&rig, &["off", "Light-1"])), "");
    succeeded(&machine.rig(&rig, &["connect", "Light-1"]));
    let output = machine.rig(&rig, &["doctor"]);
    assert!(stdout(&output).contains("Light-1 has several services fff0"), "{}", stdout(&output));
    let links = &of_type(&machine.rig(&rig, &["doctor", "--json"]), "doctor")[0]["links"];
    assert_eq!(links.as_array().unwrap().len(), 1, "doctor leaves the link up: {links}");
}

#[test]
fn a_battery_service_without_a_level_is_told_as_one() {
    let machine = Machine::new();
    let rig = format!(
        "{TWICE}{LIGHT_SERVICE}[[bulb.service]]\nuuid = \"180f\"\n\
         [[bulb.service.characteristic]]\nuuid = \"2a1b\"\nproperties = [\"read\"]\n"
    );
    let error = failed(&machine.rig(&rig, &["battery", "Light-1", "--json"]), 8, "bulb.no_battery");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("no battery level (0x2A19) in its battery service"), "{message}");
}

/// Whatever becomes of it on this computer, it is not the virtual radio.
#[test]
fn the_default_adapter_is_a_real_one_against_the_configuration() {
    let machine = Machine::new();
    machine.config("adapter = \"sim\"\n");
    let system = |arguments: &[&str]| of_type(&machine.run(arguments), "doctor")[0]["system"].clone();
    assert_eq!(system(&["doctor", "--json"]), "virtual radio");
    assert_ne!(system(&["--adapter", "default", "doctor", "--json"]), "virtual radio");
}
