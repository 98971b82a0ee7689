//! `profiles`: the bulb families, and which one a word of the command line names.

use std::fs;

use bulb_protocol::profile::{Family, LoadError, Profile, builtin};

use super::args::{Profiles, ProfilesAction};
use crate::error::{Error, Result};
use crate::report::{Body, ProfileRecord, Reporter};

pub(crate) fn run(args: &Profiles, reporter: &Reporter) -> Result<()> {
    match &args.action {
        ProfilesAction::List => {
            for name in builtin::names() {
                let (family, profile) = load(name)?;
                reporter.record(&Body::Profile(ProfileRecord::of(&family, &profile, false)))?;
            }
            Ok(())
        }
        ProfilesAction::Show(show) => {
            let (family, profile) = load(&show.name)?;
            reporter.record(&Body::Profile(ProfileRecord::of(&family, &profile, true)))
        }
    }
}

/// The profile of `NAME`, `NAME:VARIANT`, `FILE.toml` or `FILE.toml:VARIANT`. Only its own file is read.
///
/// # Errors
/// [`Error::ProfileUnknown`], [`Error::FileUnreadable`], [`Error::ProfileInvalid`] with the line.
pub(crate) fn load(text: &str) -> Result<(Family, Profile)> {
    let (path, variant) = match text.rsplit_once(".toml:") {
        Some((path, variant)) => (Some(format!("{path}.toml")), Some(variant)),
        None => (text.ends_with(".toml").then(|| text.to_owned()), None),
    };
    let Some(path) = path else {
        let (name, variant) = builtin::split_name(text);
        let family = builtin::family(name).map_err(|error| known(text, text, error))?;
        let profile = family.profile(variant.as_deref()).map_err(|error| known(text, text, error))?;
        return Ok((family, profile));
    };
    let content = fs::read_to_string(&path)
        .map_err(|error| Error::FileUnreadable { path: path.clone(), detail: error.to_string() })?;
    let family = Family::parse(&content).map_err(|error| known(text, &path, error.into()))?;
    // What is wrong in a variant is to be seen by who writes the file, not by who owns that model.
    family.check_variants().map_err(|error| known(text, &path, error.into()))?;
    let profile = family.profile(variant).map_err(|error| known(text, &path, error))?;
    Ok((family, profile))
}

fn known(text: &str, path: &str, error: LoadError) -> Error {
    match error {
        LoadError::Invalid(error) => {
            Error::ProfileInvalid { path: path.to_owned(), detail: error.to_string() }
        }
        LoadError::NoFamily { have, .. } => Error::ProfileUnknown { name: text.to_owned(), have },
        LoadError::NoVariant { family, have, .. } => Error::ProfileUnknown {
            name: text.to_owned(),
            have: format!("{family}, and of its variants {have}"),
        },
    }
}
