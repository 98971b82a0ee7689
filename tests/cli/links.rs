//! Links that are there already.

use super::*;

/// A bulb whose first answer to a read is slow, and which ends its link meanwhile.
const RIG: &str = r#"
    rig = 1
    [[bulb]]
    name = "Light-Held"
    address = "C4:11:00:00:07:01"
    connect_latency = "1ms"
    [[bulb.fault]]
    on = "read"
    do = "delay"
    for = "2s"
    count = 1
    [[event]]
    at = "700ms"
    bulb = "C4:11:00:00:07:01"
    do = "drop"
"#;

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

/// A link of our own that goes is not made anew: what was asked for may have been done.
#[test]
fn a_link_of_our_own_that_goes_is_lost() {
    let machine = Machine::new();
    let output = machine.rig(RIG, &["toggle", "Light-Held", "--json"]);
    assert_eq!((code(&output), records(&output)[0]["code"].as_str()), (11, Some("link.lost")));
}
