//! Translates the built-in profiles from TOML to CBOR, which is faster to read. Programs read them at each start.
//! The TOML files stay the source. A test compares both.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=profiles");
    #[cfg(feature = "profiles")]
    translate::all()?;
    Ok(())
}

#[cfg(feature = "profiles")]
mod translate {
    use std::error::Error;
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
                let file = out.join(path.file_name().ok_or("a profile without a name")?);
                write(&file.with_extension("cbor"), &profile)?;
                write(&file.with_extension("outline.cbor"), &outline(&profile))?;
            }
        }
        Ok(())
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

    fn write(file: &Path, table: &Table) -> Result<(), Box<dyn Error>> {
        Ok(fs::write(file, cbor4ii::serde::to_vec(Vec::new(), table)?)?)
    }
}
