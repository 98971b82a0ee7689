//! Profile files: the built-in ones, and every kind of mistake.
#![cfg(feature = "profiles")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use bulb_protocol::profile::{Family, builtin};

#[test]
fn every_built_in_file_and_variant_compiles() {
    for (name, text) in builtin::FILES {
        let family = Family::parse(text).unwrap_or_else(|error| panic!("{name}.toml: {error}"));
        assert_eq!(family.name(), *name);
        family.validate_variants().unwrap_or_else(|error| panic!("{name}.toml: {error}"));
    }
}

/// A profile file without mistakes.
const VALID: &str = "profile = 1
name = 'board'
title = 'A board'
[role.control]
at = ['fff0/fff1']
[can]
power = {}
[commands]
power = '{power}'
";

/// A part of [`VALID`], a replacement with one mistake, and the start of the error.
#[rustfmt::skip]
const MISTAKES: &[(&str, &str, &str)] = &[
    // The file
    ("[role.control]\nat = ['fff0/fff1']\n[can]\npower = {}\n[commands]\npower = '{power}'", "[role.control",
     "line 4: unclosed table, expected `]`"),
    ("profile = 1", "profile = 2",
     "line 1: this is format 2; this version reads format 1"),
    ("name = 'board'", "name = 'My Board'",
     r#"line 2: "My Board" is not a name: use lower-case letters, digits and hyphens"#),
    ("title = 'A board'", "title = 'A board'\nnmae = 'x'",
     "line 4: unknown field `nmae`, expected one of `profile`, `name`, `title`, `about`, `grade`, `sources`, `codec`, `frame_length`, `match`, `models`"),
    ("[commands]\npower = '{power}'", "",
     "line 1: missing field `commands`"),
    ("title = 'A board'", "title = 'A board'\ncodec = 'lednet'",
     r#"line 4: there is no codec "lednet"; the codecs are: lednetwf"#),
    // [[match]] and [probe]
    ("title = 'A board'", "title = 'A board'\n[[match]]\nname = 'A*'\nservice = 'fff0'\nscore = 10",
     "line 4: [[match]] needs one of `name`, `service`, `company` and `service_data`"),
    ("title = 'A board'", "title = 'A board'\n[[match]]\ncompany = 70000\nscore = 10",
     "line 5: invalid value: integer `70000`, expected a company identifier (0x0969), or the first and the last of several ([0x5A00, 0x5AFF])"),
    ("title = 'A board'", "title = 'A board'\n[[match]]\nname = 'A*'\ndata = '01'\nscore = 10",
     "line 4: `data` needs `company` or `service_data`"),
    ("title = 'A board'", "title = 'A board'\n[[match]]\ncompany = 1\ndata = '1'\nscore = 10",
     "line 6: `1` is not a byte of data: write 7E, 75/7F with a mask, ?? for any byte, {model} or {revision}; ... goes before the last bytes of the data"),
    ("title = 'A board'", "title = 'A board'\n[[match]]\nname = 'A*'\nscore = 101",
     "line 6: score is 101, not 1 to 100"),
    ("title = 'A board'", "title = 'A board'\n[[match]]\nname = 'A*'\nscore = 10\nvariant = 'b'",
     r#"line 7: there is no variant "b""#),
    ("title = 'A board'", "title = 'A board'\n[probe]\nscore = 10",
     "line 4: a probe needs either `role` (a role to read), or `at` and `text` (a characteristic and its value)"),
    ("title = 'A board'", "title = 'A board'\n[probe]\nrole = 'status'\nscore = 10",
     r#"line 4: there is no role "status"; the roles are: control"#),
    // Models
    ("title = 'A board'", "title = 'A board'\n[[match]]\nname = 'A{modle}*'\nscore = 10",
     "line 5: `A{modle}*` is not a pattern for names: write * and ? for other characters, and once {model}, {model:4} or {H+model:4} where the model is"),
    ("title = 'A board'", "title = 'A board'\n[[match]]\nname = 'A{model}*'\nscore = 10\nvariant = 'b'\n[variant.b]",
     "line 7: a [[match]] with {model} cannot name a variant: the lists of models do"),
    ("title = 'A board'", "title = 'A board'\nmodels = ['H1']",
     r#"line 2: there is a list with model "H1", but no [[match]] reads a model: put {model} into a `name` or `data`"#),
    ("title = 'A board'", "title = 'A board'\nmodels = ['H1', 'H_2']\n[[match]]\nname = 'A{model}*'\nscore = 10",
     r#"line 4: "H_2" is not a model: write letters and digits, `?` for any character, and @ before a revision, as in "H6159@2.1""#),
    ("title = 'A board'", "title = 'A board'\nmodels = ['H1@a']\n[[match]]\nname = 'A{model}*'\nscore = 10",
     r#"line 4: "H1@a" is not a model"#),
    ("title = 'A board'", "title = 'A board'\nmodels = ['H1', 'H2']\n[[match]]\nname = 'A{model}*'\nscore = 10\n[[not_a_bulb]]\nmodels = ['h1']\nis = 'a kettle'",
     r#"line 9: model "h1" is listed twice"#),
    ("title = 'A board'", "title = 'A board'\n[[unsupported]]\nmodels = ['H1']",
     "line 4: missing field `reason`"),
    ("title = 'A board'", "title = 'A board'\nbytes.red = 'FF'",
     "line 4: {red} is a field of frames: give these bytes another name"),
    ("title = 'A board'", "title = 'A board'\nbytes.mask = ''",
     "line 4: bytes.mask needs at least one byte"),
    ("[commands]\npower = '{power}'", "[commands]\npower = '{power} {mask}'",
     "line 9: there is no field {mask}"),
    ("[commands]\npower = '{power}'", "[commands]\npower = '{power}'\n[variant.b]\nextends = 'c'",
     r#"line 11: there is no variant "c""#),
    ("[commands]\npower = '{power}'", "[commands]\npower = '{power}'\n[variant.b]\nextends = 'c'\n[variant.c]\nextends = 'b'",
     r#"line 13: variant "b" extends itself"#),
    // [role] and [session]
    ("[role.control]\nat = ['fff0/fff1']", "[role.status]\nat = ['fff0/fff2']",
     "line 2: there is no [role.control], the characteristic to write commands to"),
    ("at = ['fff0/fff1']", "at = []",
     r#"line 4: role "control" needs a place in `at`, for example ["fff0/fff1"]"#),
    ("at = ['fff0/fff1']", "at = ['fff1']",
     "line 5: `fff1` is not a characteristic: write SERVICE/CHARACTERISTIC (fff0/fff1), or */fff1 for any service"),
    ("at = ['fff0/fff1']", "at = ['fff0/fff']",
     "line 5: `fff` is not a UUID: write 4 hex digits (fff0) or all 32"),
    ("at = ['fff0/fff1']", "at = ['fff0/fff1']\nproperties = ['writable']",
     "line 6: `writable` is not a property: write one of read, write, write-without-response, notify, indicate, or a|b for either"),
    ("at = ['fff0/fff1']", "at = ['fff0/fff1']\nwrite = 'quick'",
     "line 6: unknown variant `quick`, expected `request` or `command`"),
    ("at = ['fff0/fff1']", "at = ['fff0/fff1']\n[session]\ngap = '20'",
     "line 7: `20` is not a duration: write 200ms, 1s or 2m"),
    ("at = ['fff0/fff1']", "at = ['fff0/fff1']\n[session]\nfirst = [{ frame = '{power}' }]",
     "line 7: {power} has no value here: write a fixed byte instead"),
    ("at = ['fff0/fff1']", "at = ['fff0/fff1']\n[session]\nkeep_alive = { frame = '00', every = '0s' }",
     "line 7: keep_alive.every must not be zero"),
    // [can]
    ("power = {}", "power = { on = 0 }",
     "line 7: on and off need different numbers"),
    ("[commands]\npower = '{power}'", "brightness = { range = [100, 1] }\n[commands]\nbrightness = '{brightness}'",
     "line 8: range is 100 to 1: the first number must be smaller"),
    ("[commands]\npower = '{power}'", "brightness = { range = [0, 255] }\n[commands]\nbrightness = '{brightness}'",
     "line 8: range ends at 255, but a percentage at 100"),
    ("[commands]\npower = '{power}'", "brightness = { raw = [5, 5] }\n[commands]\nbrightness = '{brightness}'",
     "line 8: raw needs two different numbers, not 5 twice"),
    ("[commands]\npower = '{power}'", "kelvin = { range = [153, 500] }\n[commands]\nkelvin = '{kelvin:le}'",
     "line 8: range is 153 to 500 kelvin, but must be within 1000 to 20000"),
    ("[commands]\npower = '{power}'", "kelvin = { range = [2000, 6500], mired = true, raw = [0, 1] }\n[commands]\nkelvin = '{kelvin:le}'",
     "line 8: use either `mired` or `raw`"),
    ("[commands]\npower = '{power}'", "kelvin = { range = [2000, 6500], tint = { 3600 = 'ffcb8' } }\n[commands]\nkelvin = '{kelvin:le}'",
     r#"line 8: `3600 = "ffcb8"` is not a tint: write kelvin and colour, for example 3600 = "ffcb8d""#),
    ("[commands]\npower = '{power}'", "effect = {}\n[commands]\neffect = '{effect}'",
     "line 8: there are no effects: add `names` with their numbers, or `numbered` with the first and the last number"),
    ("[commands]\npower = '{power}'", "effect = { numbered = [9, 1] }\n[commands]\neffect = '{effect}'",
     "line 8: numbered is 9 to 1: the first number must be smaller"),
    ("[commands]\npower = '{power}'", "effect = { names = { 'Fade 7' = 1 } }\n[commands]\neffect = '{effect}'",
     r#"line 8: "Fade 7" is not a name of an effect: use lower-case letters, digits and hyphens, not only digits"#),
    ("power = {}", "power = {}\nbrightness = {}",
     "line 8: [can] has brightness, but no command sets it and no [[report]] reports it"),
    // [commands]
    ("power = '{power}'", "blink = '{power}'",
     r#"line 9: there is no command "blink"; the commands are: on, off, power, brightness, color, white, kelvin, effect, speed, state"#),
    ("power = '{power}'", "power = 1",
     r#"line 9: invalid type: integer `1`, expected a frame ("7E {red} {green} {blue} EF"), a table with `frame`, or a list of these"#),
    ("power = '{power}'", "power = { frame = '{power}', too = 'control' }",
     "line 9: unknown field `too`, expected one of `frame`, `codec`, `to`, `write`, `delay`, `means`"),
    ("power = '{power}'", "power = { frame = '{power}', to = 'effect' }",
     r#"line 9: there is no role "effect"; the roles are: control"#),
    ("[commands]\npower = '{power}'", "color = {}\n[commands]\npower = '{power}'\ncolor = '{power}'",
     r#"line 11: command "color" has no field for color"#),
    ("power = {}\n[commands]\npower = '{power}'", "color = {}\n[commands]\ncolor = '{red} {green} {blue}'\non = '01'",
     r#"line 10: command "on" needs `power` in [can]"#),
    ("[can]\npower = {}\n[commands]\npower = '{power}'", "[role.status]\nat = ['fff0/fff2']\n[can]\ncolor = {}\n[commands]\ncolor = { frame = '{red} {green} {blue}', means = { power = true } }",
     "line 11: means.power needs `power` in [can]"),
    ("power = '{power}'", "power = { frame = '{power}', codec = 'hue' }",
     "line 9: a frame needs either `frame` or `codec`"),
    ("power = '{power}'", "state = { codec = 'hew' }",
     r#"line 9: there is no codec "hew" for frames; the codecs are: hue"#),
    // Frames
    ("power = '{power}'", "power = ''",
     "line 9: a frame needs at least one byte"),
    ("power = '{power}'", "power = '7E 0G {power}'",
     "line 9: `0G` is not a part of a frame: write 7E for a byte, 7E? for a byte that is not checked when read, 75/7F for a byte with a mask, ?? for any"),
    ("power = '{power}'", "power = '7E {power'",
     "line 9: this frame has a { without a }"),
    ("power = '{power}'", "power = '{pwer}'",
     "line 9: there is no field {pwer}; the fields are power, brightness, red, green, blue, hue, saturation, x, y, white, kelvin, cold, warm, tint-red"),
    ("power = '{power}'", "speed = '{speed}'",
     "line 9: {speed} needs `speed` in [can], which lists what the bulb can do"),
    ("[commands]\npower = '{power}'", "color = {}\n[commands]\ncolor = '{red} {green}'",
     "line 10: a colour needs all of {red}, {green}, {blue}"),
    ("[commands]\npower = '{power}'", "kelvin = { range = [2000, 6500] }\n[commands]\nkelvin = '{kelvin:le} {tint-red}'",
     "line 10: {tint-red} needs can.kelvin.tint, the preview colours by kelvin"),
    ("[commands]\npower = '{power}'", "speed = {}\n[commands]\nspeed = '{speed=101}'",
     "line 10: `101` is not a value for {speed}: use 0 to 100"),
    ("power = '{power}'", "power = '{power:lowfirst}'",
     "line 9: `lowfirst` is not a byte order: write {power:le} for two bytes, low byte first, {power:be} for high byte first, or {power:7|_:1} for bits"),
    ("power = '{power}'", "power = '{power} {sum:x}'",
     "line 9: `x` is not a number of bytes: {sum:2} skips the first two bytes"),
    ("power = '{power}'", "power = '{power|_:7}'",
     "line 9: `power` needs its number of bits, 1 to 16, as in {power:1|_:7}"),
    ("power = '{power}'", "power = '{9:3|power:5}'",
     "line 9: 9 does not fit into 3 bits"),
    ("power = '{power}'", "power = '{power:1|_:6}'",
     "line 9: {power:1|_:6} is 7 bits long, not 8, 16, 24 or 32"),
    ("[commands]\npower = '{power}'", "brightness = { raw = [0, 1000] }\n[commands]\nbrightness = '{brightness}'",
     "line 10: {brightness} has numbers up to 1000, which do not fit into 8 bits"),
    ("power = '{power}'", "power = '... {power} ...'",
     "line 9: a frame can only have one `...`"),
    ("[role.control]\nat = ['fff0/fff1']\n[can]\npower = {}\n[commands]\npower = '{power}'", "frame_length = 2\n[role.control]\nat = ['fff0/fff1']\n[can]\npower = {}\n[commands]\npower = '01 02 {power} ...'",
     "line 10: the frame is longer than frame_length: 3 bytes without `...`"),
    // [[report]] and [[advert]]
    ("[can]\npower = {}\n[commands]\npower = '{power}'", "[role.status]\nat = ['fff0/fff2']\n[can]\npower = {}\n[commands]\npower = '{power}'\n[[report]]\non = ['read']",
     "line 12: a [[report]] needs either `frame` or `codec`"),
    ("[can]\npower = {}\n[commands]\npower = '{power}'", "[role.status]\nat = ['fff0/fff2']\n[can]\npower = {}\n[commands]\npower = '{power}'\n[[report]]\nframe = '{power}'",
     r#"line 12: this [[report]] does not say when the bulb sends it: add `ask` with the frame of a query, or `on` with "read", "command", "change" or "maybe""#),
    ("power = '{power}'", "power = '{power}'\n[[report]]\nframe = '{power}'\non = ['read']",
     r#"line 10: there is no role "status"; the roles are: control"#),
    ("[can]\npower = {}\n[commands]\npower = '{power}'", "[role.status]\nat = ['fff0/fff2']\n[can]\npower = {}\n[commands]\npower = '{power}'\n[[report]]\nask = '{power}'\nframe = '{power}'",
     "line 13: a query cannot have fields"),
    ("power = '{power}'", "power = '{power}'\n[[advert]]\nframe = '{power}'",
     "line 10: [[advert]] needs either `company` or `service_data`"),
    // [[check]]
    ("power = '{power}'", "power = '{power}'\n[[check]]\nname = 'ping'\nabout = 'it answers a ping'\nwrite = [{ frame = '07' }]",
     "line 10: a check needs one of `reply`, `read` and `unchanged`"),
    ("power = '{power}'", "power = '{power}'\n[[check]]\nname = 'ping'\nabout = 'it answers a ping'\nfrom = 'control'\nreply = '07'",
     "line 10: a check without `write` needs `read`"),
    ("power = '{power}'", "power = '{power}'\n[[check]]\nname = 'ping'\nabout = 'it can be read'\nfrom = 'control'\nread = '07'\n[[check]]\nname = 'ping'\nabout = 'it can be read'\nfrom = 'control'\nread = '08'",
     r#"line 16: there are two checks "ping""#),
    // [variant]
    ("power = '{power}'", "power = '{power}'\n[variant.B]\ntitle = 'b'",
     r#"line 10: "B" is not a name: use lower-case letters, digits and hyphens"#),
    ("power = '{power}'", "power = '{power}'\n[variant.b.commands]\npower = '{power} 1'",
     "line 11: `1` is not a part of a frame: write 7E for a byte, 7E? for a byte that is not checked when read, 75/7F for a byte with a mask, ?? for any"),
    ("power = '{power}'", "power = '{power}'\n[variant.b]\nwithout = ['bluetooth']",
     r#"line 11: there is no feature "bluetooth"; the features are: power, brightness, color, white, kelvin, effect, speed"#),
];

#[test]
fn every_mistake_has_an_error_with_its_line() {
    let compile = |text: &str| Family::parse(text).and_then(|family| family.validate_variants());
    compile(VALID).unwrap();
    for (part, mistake, expected) in MISTAKES {
        assert!(VALID.contains(part), "{part}");
        let text = VALID.replacen(part, mistake, 1);
        let error = compile(&text).expect_err(&text).to_string();
        assert!(
            error.starts_with(expected),
            "{mistake}\n  has the error {error}\n  instead of    {expected}"
        );
    }
}
