//! `profiles check` and `profiles new`.

use super::*;

const RIGHT: &str = "profile = 1\nname = \"board\"\ntitle = \"A board\"\n[role.control]\nat = [\"fff0/fff1\"]\n\
                     [can]\npower = {}\n[commands]\npower = \"55 {power}\"\n";

#[test]
fn every_mistake_is_told_with_its_file_and_line() {
    let machine = Machine::new();
    let right = machine.write("right.toml", RIGHT);
    let types = machine.write(
        "types.toml",
        &RIGHT.replace("power = {}", "power = {}\nbrightness = { raw = [0, 255, 3] }\nspeed = { raw = [1] }"),
    );
    let values = machine.write(
        "values.toml",
        &RIGHT
            .replace("\"board\"", "\"My Board\"")
            .replace("power = {}", "power = {}\nspeed = {}\neffect = { names = { a = 1, b = 1 } }"),
    );
    let output = machine.run(&["profiles", "check", &right, &types, &values]);
    assert_eq!(code(&output), 10, "{output:?}");
    let text = stdout(&output);
    for line in [
        format!("{right}: no mistakes"),
        format!("{types}:8: invalid length 3, expected two numbers, such as [0, 255]"),
        format!("{types}:9: invalid length 1, expected two numbers, such as [0, 255]"),
        format!("{values}:2: \"My Board\" is not a name: use lower-case letters, digits and hyphens"),
        format!(
            "{values}:8: [can] has speed, but no command sets it: add one to [commands], such as speed = \"55 02 {{…}}\""
        ),
        format!("{values}:9: the effects \"a\" and \"b\" have the same number, 1: keep one name"),
    ] {
        assert!(text.lines().any(|other| other == line), "{line}\nis not in\n{text}");
    }
    assert!(stderr(&output).contains("2 of 3 failed"), "{output:?}");
    assert_eq!(stdout(&machine.run(&["profiles", "check", &right])), format!("{right}: no mistakes\n"));
    let output = machine.run(&["--json", "profiles", "check", &types]);
    failed(&output, 2, "partial");
    let check = of_type(&output, "profile_check").pop().unwrap();
    let lines: Vec<_> =
        check["mistakes"].as_array().unwrap().iter().map(|mistake| &mistake["line"]).collect();
    assert_eq!((check["file"].as_str(), lines), (Some(&*types), vec![&Value::from(8), &Value::from(9)]));
    failed(&machine.run(&["--json", "profiles", "check", "/nowhere.toml"]), 2, "usage.file");
}

#[test]
fn the_draft_of_a_profile_has_no_mistakes() {
    let machine = Machine::new();
    let rig = "rig = 1\n[[bulb]]\nname = \"LB7 \\\"x\\\" {*}\"\naddress = \"C4:11:00:00:00:01\"\nbattery = 5\n\
               device = { manufacturer = \"Bulb Works\" }\nadvertises = [\"fff0\"]\nmanufacturer = { company = 0xffff, data = \"0102\" }\n\
               [[bulb.service]]\nuuid = \"ffd0\"\n\
               [[bulb.service.characteristic]]\nuuid = \"ffd1\"\nproperties = [\"read\"]\n\
               [[bulb.service.characteristic]]\nuuid = \"ffd2\"\nproperties = [\"write-without-response\"]\n\
               [[bulb.service.characteristic]]\nuuid = \"ffd3\"\nproperties = [\"notify\"]\n";
    let output = machine.rig(rig, &["profiles", "new", "C4:11:00:00:00:01"]);
    succeeded(&output);
    let text = stdout(&output);
    for part in [
        "name = \"lb7-x\"\n",
        "name = \"LB7 \\\"x\\\" ???\"\nscore = 60\n",
        "company = 0xFFFF\n# data = \"01 02\"\nscore = 10\n",
        "service = \"fff0\"\n",
        "at = [\"ffd0/ffd2\"]\nproperties = [\"write-without-response\"]\n",
        "at = [\"ffd0/ffd3\"]\nproperties = [\"notify|indicate\"]\n",
        "manufacturer = \"Bulb Works\"\n",
        "#   180f\n#     2a19  read",
    ] {
        assert!(text.contains(part), "{part}\nis not in\n{text}");
    }
    assert!(!machine.air().contains("\"event\":\"write\""), "{}", machine.air());
    machine.assert_no_link_is_left("profiles new");
    let file = machine.write("draft.toml", &text);
    succeeded(&machine.run(&["profiles", "check", &file]));
    let output = Machine::new().rig(rig, &["--json", "profiles", "new", "C4:11:00:00:00:01"]);
    assert_eq!(of_type(&output, "profile_draft")[0]["text"].as_str().unwrap().trim_end(), text.trim_end());
    failed(&machine.rig(rig, &["--json", "profiles", "new", "all"]), 2, "usage");
}
