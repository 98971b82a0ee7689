//! Translates the built-in profiles from TOML into a form of which programs read only what they need, at each start: the
//! family, one of its variants, and a table of the models. The TOML files stay the source. A test compares both.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=profiles");
    #[cfg(feature = "profiles")]
    translate::all()?;
    Ok(())
}

#[cfg(feature = "profiles")]
mod translate {
    use std::collections::BTreeMap;
    use std::error::Error;
    use std::fmt::Write;
    use std::path::{Path, PathBuf};
    use std::{env, fs};

    use toml::{Table, Value};

    pub(crate) fn all() -> Result<(), Box<dyn Error>> {
        let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
        for entry in fs::read_dir("profiles")? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "toml") {
                let profile: Table = fs::read_to_string(&path)?
                    .parse()
                    .map_err(|error| format!("{}: {error}", path.display()))?;
                write_parts(&out.join(path.file_stem().ok_or("a profile without a name")?), profile)?;
            }
        }
        Ok(())
    }

    /// The files of a profile, which differ in their extension.
    fn write_parts(file: &Path, mut profile: Table) -> Result<(), Box<dyn Error>> {
        fs::write(file.with_extension("outline.cbor"), cbor(&outline(&profile))?)?;
        let mut models = Models::default();
        models.take(&mut profile, "", "");
        let (mut index, mut blob) = (String::new(), Vec::new());
        for (name, mut variant) in variants(&mut profile) {
            let reason = variant.get("unsupported").and_then(Value::as_str).unwrap_or_default().to_owned();
            let support = models.support('u', &reason);
            models.take(&mut variant, &name, &support);
            let bytes = cbor(&variant)?;
            writeln!(index, "{name}\t{}\t{}", blob.len(), bytes.len())?;
            blob.extend(bytes);
        }
        for (list, kind, text) in [("unsupported", 'u', "reason"), ("not_a_bulb", 'n', "is")] {
            for row in profile.remove(list).as_ref().and_then(Value::as_array).into_iter().flatten() {
                let text = row.get(text).and_then(Value::as_str).unwrap_or_default();
                let support = models.support(kind, text);
                models.add(row.get("models"), "", &support);
            }
        }
        fs::write(file.with_extension("cbor"), cbor(&profile)?)?;
        fs::write(file.with_extension("variants.cbor"), blob)?;
        fs::write(file.with_extension("variants.txt"), index)?;
        fs::write(file.with_extension("models.txt"), lines(models.exact.into_values()))?;
        fs::write(file.with_extension("patterns.txt"), lines(models.patterns))?;
        fs::write(file.with_extension("supports.txt"), lines(models.supports))?;
        Ok(())
    }

    /// The variants, in the order of their names.
    fn variants(profile: &mut Table) -> BTreeMap<String, Table> {
        let table = match profile.remove("variant") {
            Some(Value::Table(table)) => table,
            _ => Table::new(),
        };
        let variant = |(name, variant)| match variant {
            Value::Table(variant) => Some((name, variant)),
            _ => None,
        };
        table.into_iter().filter_map(variant).collect()
    }

    /// The tables of models, one line each: the model, the variant, and the support, with tabs between them.
    #[derive(Default)]
    struct Models {
        /// By model, in capitals.
        exact: BTreeMap<String, String>,
        /// Those with a `?`.
        patterns: Vec<String>,
        /// The reasons why models are not driven.
        supports: Vec<String>,
    }

    impl Models {
        /// The line in `supports` with `u` and the reason why a model is not driven, or `n` and what it is. Empty if it is
        /// driven.
        fn support(&mut self, kind: char, text: &str) -> String {
            if text.is_empty() {
                return String::new();
            }
            let line = format!("{kind}{text}");
            let known = self.supports.iter().position(|known| *known == line).unwrap_or_else(|| {
                self.supports.push(line);
                self.supports.len() - 1
            });
            known.to_string()
        }

        /// Takes the list of a family or variant, and leaves its first model, of which the example is.
        fn take(&mut self, table: &mut Table, variant: &str, support: &str) {
            self.add(table.get("models"), variant, support);
            if let Some(Value::Array(models)) = table.get_mut("models") {
                models.truncate(1);
            }
        }

        fn add(&mut self, list: Option<&Value>, variant: &str, support: &str) {
            for model in list.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
                let model = model.to_ascii_uppercase();
                let line = format!("{model}\t{variant}\t{support}");
                if model.contains('?') {
                    self.patterns.push(line);
                } else {
                    self.exact.insert(model, line);
                }
            }
        }
    }

    fn lines(all: impl IntoIterator<Item = String>) -> String {
        all.into_iter().map(|line| line + "\n").collect()
    }

    /// The rules for advertisements, and the characteristics of all roles.
    fn outline(profile: &Table) -> Table {
        let rules = profile.get("match").cloned().unwrap_or_else(|| Value::Array(Vec::new()));
        let variants = profile.get("variant").and_then(Value::as_table).into_iter().flat_map(Table::values);
        let tables = std::iter::once(profile).chain(variants.filter_map(Value::as_table));
        let roles = tables.filter_map(|table| table.get("role")?.as_table()).flat_map(Table::values);
        let places = roles.filter_map(|role| role.get("at")?.as_array()).flatten();
        let places = Value::Array(places.cloned().collect());
        Table::from_iter([("match".to_owned(), rules), ("characteristics".to_owned(), places)])
    }

    fn cbor(table: &Table) -> Result<Vec<u8>, Box<dyn Error>> {
        Ok(cbor4ii::serde::to_vec(Vec::new(), table)?)
    }
}
