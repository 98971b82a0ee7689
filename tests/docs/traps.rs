//! Checks the traps in docs/EMULATE.md: each of the 17 has tests that exist, or the reason why it has none.

use std::path::Path;

use super::{named, read};

/// The trap that nothing in bulbctl can show, as it is in the memory of a phone.
const WITHOUT: usize = 16;

#[test]
fn every_trap_of_emulate_has_a_test() {
    let page = read(Path::new("docs/EMULATE.md"));
    let (_, section) = page.split_once("## Known traps").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with('|'));
    let mut numbers = Vec::new();
    for row in rows.skip(2) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [number, trap, done, tests] = cells.as_slice() else { panic!("{row}") };
        let number: usize = number.parse().unwrap_or_else(|_| panic!("{row}"));
        assert!(!trap.is_empty() && !done.is_empty(), "{row}");
        let tests: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
        tests.iter().for_each(|test| named::assert_test(test));
        assert_eq!(tests.is_empty(), number == WITHOUT, "{row}");
        numbers.push(number);
    }
    assert_eq!(numbers, (1..=17).collect::<Vec<_>>());
}
