//! `doctor`.

use super::context::Context;
use crate::error::Result;
use crate::output::{DoctorRecord, Record};
use crate::radio;

/// Prints the diagnosis, and fails with the error that any other verb would fail with.
pub(crate) async fn run(context: &Context<'_>) -> Result<()> {
    let diagnosis = {
        let _progress = context.progress("checking Bluetooth".to_owned());
        radio::diagnose(context.adapter(), context.deadline()).await
    };
    context.printer.record(&Record::Doctor(DoctorRecord::of(&diagnosis)))?;
    diagnosis.error.map_or(Ok(()), Err)
}
