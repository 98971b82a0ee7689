// The fuzz targets and the folders with their seeds. Included by `cargo xtask fuzz`, and by
// `tests/hostile.rs`, which runs them and mutations of them.
pub(crate) const SEEDS: &[(&str, &[&str])] = &[
    ("advert", &["fuzz/corpus/advert"]),
    ("air", &["fuzz/corpus/air"]),
    ("arguments", &["fuzz/corpus/arguments"]),
    ("capture", &["fixtures/captures"]),
    ("color", &["fuzz/corpus/color"]),
    ("config", &["fuzz/corpus/config", "fixtures/config/valid"]),
    ("recording", &["fuzz/corpus/recording"]),
    (
        "rig",
        &[
            "fixtures/rigs/defects",
            "fixtures/rigs/faults",
            "fixtures/rigs/invalid",
            "fixtures/rigs/scenarios",
        ],
    ),
    ("target", &["fuzz/corpus/target"]),
];
