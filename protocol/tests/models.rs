//! Models of a family: read from an advertisement, looked up in the lists of the profile, driven by variants that extend
//! each other.
#![cfg(feature = "profiles")]
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use bulb_protocol::Rgb;
use bulb_protocol::gatt::uuid16;
use bulb_protocol::profile::{Advert, Family, FamilyMatch, Feature, Features, Light, Support};

const LAMPS: &str = r#"
profile = 1
name = "bulbs"
title = "Lamps"
models = ["H1000"]
[[match]]
name = "Brand_{model}_*"
score = 60
[[match]]
name = "GV{H+model:4}*"
score = 60
[[match]]
company = 0x8841
data = "EC"
score = 20
variant = "encrypted"
[[match]]
company = 0x8801
data = "EC 00 {revision} {revision}"
score = 20
[[match]]
company = 0x1234
data = "?? {model} {model}"
score = 80
[[unsupported]]
models = ["H3000"]
reason = "it takes other frames"
[[not_a_bulb]]
models = ["H5074", "00A?"]
is = "a thermometer"
[role.control]
at = ["fff0/fff1"]
[can]
power = {}
[commands]
power = "01 {power}"
[variant.pieces]
models = ["H2000", "H2001@2.1", "0033"]
bytes.mask = "FF 7F"
[variant.pieces.can]
color = {}
kelvin = { range = [2000, 9000], tint = { 2000 = "ff8d0b", 9000 = "d9e1ff" } }
[variant.pieces.commands]
color = "33 {red} {green} {blue} {mask}"
kelvin = "34 {kelvin:be} {tint-red} {tint-green} {tint-blue} {mask}"
[variant.pieces-4]
extends = "pieces"
models = ["H2004"]
bytes.mask = "0F 00"
can.kelvin = { range = [2700, 6500] }
[variant.encrypted]
unsupported = "its frames are encrypted"
"#;

fn recognise(name: Option<&str>, data: &[(u16, &[u8])]) -> FamilyMatch {
    Family::parse(LAMPS).unwrap().recognise(&Advert { name, manufacturer: data, ..Advert::default() })
}

/// The model, the variant, and what can be done with it.
fn model(name: &str, data: &[(u16, &[u8])]) -> String {
    let found = recognise(Some(name), data);
    let support = match found.support {
        Support::Driven => "driven".to_owned(),
        Support::Unlisted(model) => format!("unlisted {}", model.unwrap_or_default()),
        Support::Unsupported(reason) => reason,
        Support::NotABulb(what) => what,
    };
    format!("{} {} {support}", found.model.unwrap_or_default(), found.variant.unwrap_or_default())
}

#[test]
fn the_model_decides() {
    for (name, data, expected) in [
        ("Brand_H1000_1A2B", &[][..], "H1000  driven"),
        ("brand_h2000_1A2B", &[], "H2000 pieces driven"),
        ("GV20041A2B", &[], "H2004 pieces-4 driven"),
        ("GV30001A2B", &[], "H3000  it takes other frames"),
        ("Brand_H5074_1A2B", &[], "H5074  a thermometer"),
        ("Brand_H9999_1A2B", &[], "  unlisted H9999"),
        // A revision of its own: others are not known.
        ("Brand_H2001_1A2B", &[(0x8801, &[0xEC, 0, 2, 1][..])], "H2001@2.1 pieces driven"),
        ("Brand_H2001_1A2B", &[(0x8801, &[0xEC, 0, 1, 1])], "  unlisted H2001@1.1"),
        ("Brand_H2001_1A2B", &[], "  unlisted H2001"),
        ("Brand_H2000_1A2B", &[(0x8801, &[0xEC, 0, 1, 1])], "H2000 pieces driven"),
        // What forbids driving wins.
        ("Brand_H2000_1A2B", &[(0x8841, &[0xEC, 0, 2, 1])], "H2000 encrypted its frames are encrypted"),
        ("Brand_H5074_1A2B", &[(0x8841, &[0xEC])], "H5074  a thermometer"),
        ("Brand_H9999_1A2B", &[(0x8841, &[0xEC])], "  unlisted H9999"),
        ("Brand_H2000_1A2B", &[(0x1234, &[5, 0, 0xA3])], "00A?  a thermometer"),
        // From data alone; and data of the family that do not say the model.
        ("", &[(0x1234, &[5, 0, 0x33])], "0033 pieces driven"),
        ("", &[(0x1234, &[5, 0, 0x34])], "  unlisted 0034"),
        ("", &[(0x8801, &[0xEC, 0, 2, 1])], "  unlisted "),
    ] {
        assert_eq!(model(name, data), expected, "{name} {data:?}");
    }
}

#[test]
fn only_listed_models_are_evidence() {
    assert_eq!(recognise(Some("Brand_H9999_1A2B"), &[]).score, 0);
    let found = recognise(Some("Brand_H2000_1A2B"), &[]);
    assert_eq!((found.score, found.identified), (60, true));
    assert_eq!(found.evidence.first().unwrap().text, "name \"Brand_H2000_1A2B\" is of model H2000");
}

#[test]
fn a_variant_changes_the_one_that_it_extends() {
    let family = Family::parse(LAMPS).unwrap();
    family.validate_variants().unwrap();
    let red = Light { color: Some(Rgb::new(255, 0, 0)), ..Light::default() };
    let warm = Light { kelvin: Some(2700), ..Light::default() };
    let frame = |variant: &str, light: &Light| {
        let profile = family.profile(Some(variant)).unwrap();
        profile.encode(light, &Light::default(), 0).unwrap().writes.remove(0).bytes
    };
    assert_eq!(frame("pieces", &red), [0x33, 255, 0, 0, 0xFF, 0x7F]);
    assert_eq!(frame("pieces-4", &red), [0x33, 255, 0, 0, 0x0F, 0x00]);
    // A range of its own keeps the preview colours.
    assert_eq!(frame("pieces-4", &warm)[..4], frame("pieces", &warm)[..4]);
    let cold = Light { kelvin: Some(7000), ..Light::default() };
    assert!(family.profile(Some("pieces-4")).unwrap().encode(&cold, &Light::default(), 0).is_err());
    // A variant can be named by its models.
    assert_eq!(family.profile(Some("h2004")).unwrap().variant.as_deref(), Some("pieces-4"));
    assert_eq!(family.profile(Some("H3000")).unwrap().unsupported.as_deref(), Some("it takes other frames"));
    assert!(family.profile(Some("H9999")).is_err());
}

#[test]
fn a_variant_lacks_a_feature_with_its_commands_and_reports() {
    let text = format!(
        "{LAMPS}[role.status]\nat = [\"fff0/fff2\"]\n[[report]]\non = [\"read\"]\nframe = \"A0 {{power}}\"\n\
         [[report]]\non = [\"read\"]\nframe = \"A1 {{power:1|_:7}} {{kelvin:be}}\"\n\
         [variant.colors]\nextends = \"pieces\"\nwithout = [\"kelvin\"]\n\
         [variant.tinted]\nextends = \"pieces\"\n\
         can.kelvin = {{ range = [2000, 3000], tint = {{ 2000 = \"112233\" }} }}\n"
    )
    .replace("[can]\npower = {}", "[can]\npower = {}\nkelvin = { range = [2000, 9000] }")
    .replace(
        "[commands]\npower = \"01 {power}\"",
        "[commands]\npower = \"01 {power}\"\nkelvin = \"35 {kelvin:be}\"",
    );
    let family = Family::parse(&text).unwrap();
    let profile = |variant: &str| family.profile(Some(variant)).unwrap();
    let (pieces, colors) = (profile("pieces"), profile("colors"));
    let [power, kelvin] = [Feature::Power, Feature::Kelvin].map(|feature| Features::NONE.with(feature));
    assert!(pieces.settable().contains(Feature::Kelvin) && !colors.settable().contains(Feature::Kelvin));
    assert_eq!((pieces.reported(), colors.reported()), (power.or(kelvin), power));
    assert!(
        colors.decode("status", &[0xA0, 1]).is_ok() && colors.decode("status", &[0xA1, 0x80, 9, 0]).is_err()
    );
    // Preview colours of its own replace those of the one that it extends.
    let warm = Light { kelvin: Some(2000), ..Light::default() };
    let sent = profile("tinted").encode(&warm, &Light::default(), 0).unwrap().writes.remove(0).bytes;
    assert_eq!(sent, [0x34, 0x07, 0xD0, 0x11, 0x22, 0x33, 0xFF, 0x7F]);
}

#[test]
fn a_model_has_an_example() {
    let family = Family::parse(LAMPS).unwrap();
    let adverts = family.model_adverts("H2001@2.1");
    let names: Vec<_> = adverts.iter().map(|advert| advert.name.as_deref().unwrap()).collect();
    assert_eq!(names, ["Brand_H2001_1A2B", "GV20011A2B"]);
    assert!(adverts.iter().all(|advert| advert.manufacturer == [(0x8801, vec![0xEC, 0, 2, 1])]));
    let adverts = family.model_adverts("0033");
    assert_eq!(adverts.last().unwrap().manufacturer, [(0x1234, vec![0, 0, 0x33])]);
    let example = family.profile(Some("pieces-4")).unwrap().example;
    assert_eq!(example.name.as_deref(), Some("Brand_H2004_1A2B"));
}

#[test]
fn an_example_has_the_data_that_says_the_model() {
    let text = r#"
profile = 1
name = "bulbs"
title = "Lamps"
models = ["0033"]
[[match]]
name = "Brand_{model}_*"
score = 60
[[match]]
service_data = "fd3d"
data = "07 {model} {model}"
score = 60
[role.control]
at = ["fff0/fff1"]
[can]
power = {}
[commands]
power = "01 {power}"
"#;
    let example = Family::parse(text).unwrap().profile(None).unwrap().example;
    assert_eq!(example.name.as_deref(), Some("Brand_0033_1A2B"));
    assert_eq!(
        (example.manufacturer, example.service_data),
        (None, Some((uuid16(0xFD3D), vec![7, 0, 0x33])))
    );
    // An example of its own stays.
    let own = format!("{text}[example]\nname = \"Brand_0033_FFFF\"\n");
    let example = Family::parse(&own).unwrap().profile(None).unwrap().example;
    assert_eq!((example.name.as_deref(), example.service_data), (Some("Brand_0033_FFFF"), None));
}
