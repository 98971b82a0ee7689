//! Another program uses the adapter or the bulb.

use super::*;

#[test]
fn a_characteristic_that_another_program_uses_is_asked_again() {
    let machine = Machine::new(1);
    for method in ["WriteValue", "ReadValue"] {
        machine.bluez.script(method, [BUSY, BUSY, Reply::Usual]);
    }
    let on = machine.run(&["on", "Light-1", "--json"]);
    assert_eq!(code(&on), 0, "{}", text(&on));
    assert_eq!(machine.bluez.count("WriteValue"), 3);

    machine.bluez.script("ReadValue", [BUSY]);
    let status = machine.run(&["status", "Light-1", "--json", "--timeout", "4s"]);
    assert_eq!(
        (code(&status), &of_type(&status, "error")[0]["code"]),
        (8, &"bulb.held".into()),
        "{}",
        text(&status)
    );
}
