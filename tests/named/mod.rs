//! Tests that pages name: `tests/driver.rs: the_newest_change_wins`.

use std::fs;
use std::path::Path;

/// Asserts that the test of this name exists and is not ignored. Scenarios are named by their text.
pub(crate) fn assert_test(named: &str) {
    let (file, name) = named.split_once(": ").unwrap_or_else(|| panic!("{named:?} is not `file: test`"));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let source = fs::read_to_string(path).unwrap_or_else(|error| panic!("{file}: {error}"));
    assert!(has_test(file, &source, name), "{file} has no test {name:?}");
}

fn has_test(file: &str, source: &str, name: &str) -> bool {
    if file.starts_with("tests/scenarios/") {
        return ["(", "(\n        "].iter().any(|start| source.contains(&format!("{start}\"{name}\",")));
    }
    let Some((before, _)) = source.split_once(&format!("fn {name}(")) else { return false };
    // The attributes are between the previous blank line and the function.
    let attributes = before.rsplit("\n\n").next().unwrap();
    attributes.contains("test") && !attributes.contains("ignore")
}
