//! Several bulbs: what a target means, how its bulbs are found, and how many are driven at once.

mod candidates;
mod find;
mod run;
mod scanner;
pub(crate) mod seen;
mod target;

pub use find::{Found, find, find_known};
pub use run::{OnConnectFailure, run_each, run_each_checked};
pub use scanner::{ScanEvent, ScanPhase, keep_scanning};
pub use target::{Selector, Target};
