//! Everything that is printed, as text or JSON lines. Verbs build records, the printer prints them.

mod bench;
mod bridge;
mod captured;
mod check;
pub(crate) mod colored;
mod comparison;
mod detect;
mod doctor;
mod draft;
mod emulated;
mod frame;
mod gatt;
mod info;
mod live;
mod parameters;
mod printer;
mod profile;
mod profile_file;
mod records;
mod snapshot;
pub(crate) mod stream;
mod text;

pub use crate::sanitise::{json_safe, sanitise};
pub use bench::{BenchRecord, RateRecord, SkippedRecord, StepRecord, TimesRecord};
pub use bridge::{BridgePhase, BridgeRecord, MessageRecord};
pub use captured::CapturedRecord;
pub use check::{CheckListing, CheckRecord, CheckResult, CheckSummary, junit};
pub use comparison::{ComparisonRecord, DifferenceRecord, SavedBench};
pub use detect::{CandidateRecord, DetectRecord, EvidenceRecord};
pub use doctor::{AdapterStateRecord, DoctorRecord, FindingRecord, HeldRecord, Level};
pub use draft::profile_draft;
pub use emulated::{EmulatedEvent, EmulatedRecord, WriteMeaning};
pub use frame::{FrameKind, FrameRecord};
pub use gatt::{ValueForm, ValueRecord};
pub use info::{
    AdvertRecord, AssignedNumberRecord, CharacteristicRecord, ConnectedDetails, DescriptorRecord,
    DeviceInformationRecord, InfoRecord, ServiceRecord,
};
pub use live::Live;
pub use parameters::ParametersRecord;
pub use printer::{ColorChoice, Printer, Settings, json_line};
pub use profile::{AbilityRecord, ProfileRecord, RoleRecord, VariantRecord};
pub use profile_file::{MistakeRecord, ProfileCheckRecord, ProfileDraftRecord};
pub(crate) use records::stamp;
pub use records::{
    AdapterRecord, BatteryRecord, Bulb, DeviceRecord, DoneRecord, ErrorRecord, LightRecord, LightValues,
    LinkKind, LinkRecord, Record, ScanRecord, StateRecord, millis,
};
pub use snapshot::{SavedState, SnapshotRecord};

#[cfg(test)]
mod tests {
    use super::records::Line;

    /// The documented schema is generated from the types. If this fails and your change only adds fields, run it with `BLESS=1`; if
    /// it breaks users, increase the number in the file name as well.
    #[test]
    fn the_schema_in_the_docs_is_that_of_the_types() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/schema/output-1.json");
        let mut schema = serde_json::to_string_pretty(&schemars::schema_for!(Line<'static>)).unwrap();
        schema.push('\n');
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(path, &schema).unwrap();
        }
        assert!(std::fs::read_to_string(path).unwrap() == schema, "{path} is out of date");
    }
}
