//! `redact`: replaces addresses and names in a recording.

use super::args::Redact;
use crate::error::Result;
use crate::output::Printer;
use crate::radio::record::{self, Recording};

pub(crate) fn run(args: &Redact, printer: &Printer) -> Result<()> {
    for line in record::redact(&Recording::load(&args.file)?)? {
        printer.line(&line)?;
    }
    Ok(())
}
