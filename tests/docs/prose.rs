//! Checks links and layout of the pages.

use std::collections::HashSet;
use std::path::Path;

use super::{files, pages, read, root};

const WIDTH: usize = 100;
const README_WORDS: usize = 1200;

#[test]
fn every_relative_link_leads_somewhere() {
    let mut broken = Vec::new();
    for page in pages() {
        let text = read(&page);
        for link in links(&text) {
            let (path, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = match path {
                "" => page.clone(),
                path => page.parent().unwrap().join(path),
            };
            let found = root().join(&target).exists()
                && (heading.is_empty() || headings(&read(&target)).contains(heading));
            if !found {
                broken.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn paths_in_the_map_exist() {
    for page in ["ARCHITECTURE.md", "CONTRIBUTING.md"] {
        let text = read(Path::new(page));
        let prose = prose(&text).into_iter().map(|(_, line)| line).collect::<Vec<_>>().join("\n");
        for path in prose.split('`').skip(1).step_by(2) {
            let is_path = path.ends_with(".rs") || path.ends_with('/');
            let exists = ["", "src"].iter().any(|folder| root().join(folder).join(path).exists());
            assert!(!is_path || exists, "{page} names {path}, which is not there");
        }
    }
}

#[test]
fn types_in_the_glossary_exist() {
    let sources = [files("src", ".rs"), files("protocol/src", ".rs")].concat();
    let code: String = sources.iter().map(|file| read(file)).collect();
    let page = read(Path::new("ARCHITECTURE.md"));
    let glossary = page.split("## Glossary").nth(1).unwrap().split("\n## ").next().unwrap();
    let mut types = 0;
    for row in glossary.lines().filter(|line| line.starts_with("| ")) {
        let cell = row.trim_end_matches('|').rsplit('|').next().unwrap();
        for path in cell.split('`').skip(1).step_by(2) {
            let name = path.rsplit("::").next().unwrap();
            let declared = ["struct", "enum", "trait", "const"].iter().any(|kind| {
                code.split(&format!("{kind} {name}"))
                    .skip(1)
                    .any(|rest| !rest.starts_with(char::is_alphanumeric))
            });
            assert!(declared, "the glossary names {path}, which is not there");
            types += 1;
        }
    }
    assert!(types > 20, "the glossary names {types} types");
}

#[test]
fn prose_wraps() {
    let mut long = Vec::new();
    for page in pages() {
        for (number, line) in prose(&read(&page)) {
            // A single word cannot be wrapped.
            if line.chars().count() > WIDTH && line.trim().contains(' ') && !line.starts_with('|') {
                long.push(format!("{}:{number}: {} characters", page.display(), line.chars().count()));
            }
        }
    }
    assert!(long.is_empty(), "lines over {WIDTH} characters:\n{}", long.join("\n"));
}

#[test]
fn the_readme_is_short() {
    let words = read(Path::new("README.md")).split_whitespace().count();
    assert!(words <= README_WORDS, "README.md has {words} words, more than {README_WORDS}");
}

#[test]
fn the_pages_count_the_families_right() {
    let count = bulb_protocol::profile::builtin::names().count();
    for (page, words) in [
        ("README.md", format!("**It speaks {count} bulb families**")),
        ("docs/families.md", format!("{count} families are built in")),
        ("CHANGELOG.md", format!("- {count} families of bulbs")),
    ] {
        assert!(read(Path::new(page)).contains(&words), "{page} does not say {words:?}");
    }
}

/// The lines outside of code blocks, with their numbers.
fn prose(page: &str) -> Vec<(usize, &str)> {
    let mut code = false;
    let mut prose = Vec::new();
    for (index, line) in page.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            code = !code;
        } else if !code {
            prose.push((index + 1, line));
        }
    }
    prose
}

/// Lists the links of a page, except those to sites.
fn links(page: &str) -> Vec<&str> {
    let mut links = Vec::new();
    for (_, line) in prose(page) {
        for rest in line.split("](").skip(1) {
            let link = rest.split(')').next().unwrap_or_default();
            if !link.contains("://") {
                links.push(link);
            }
        }
    }
    links
}

/// The names of the page's headings, as links spell them.
fn headings(page: &str) -> HashSet<String> {
    prose(page)
        .into_iter()
        .filter(|(_, line)| line.starts_with('#'))
        .map(|(_, line)| {
            let kept = line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
            kept.chars().filter(|c| c.is_alphanumeric() || "-_".contains(*c)).collect()
        })
        .collect()
}
