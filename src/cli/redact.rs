//! `redact`: a recording without what tells whose it is.

use super::args::Redact;
use crate::error::Result;
use crate::radio::record::{self, Recording};
use crate::report::Reporter;

pub(crate) fn run(args: &Redact, reporter: &Reporter) -> Result<()> {
    for line in record::redact(&Recording::load(&args.file)?)? {
        reporter.line(&line)?;
    }
    Ok(())
}
