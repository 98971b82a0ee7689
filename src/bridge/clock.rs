//! The clock of the claims.

use std::time::Duration;

/// The time since a fixed moment, with the time in which the computer slept: a claim ends during sleep. On Linux,
/// [`std::time::Instant`] stands still meanwhile.
#[cfg(target_os = "linux")]
pub fn now() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::new(time.tv_sec.try_into().unwrap_or_default(), time.tv_nsec.try_into().unwrap_or_default())
}

/// The time since the first call. Instants of Windows count sleep; those of macOS do not, so there the wall clock is asked
/// too, and the later one holds.
#[cfg(not(target_os = "linux"))]
pub fn now() -> Duration {
    use std::sync::LazyLock;
    use std::time::{Instant, SystemTime};
    static START: LazyLock<(Instant, SystemTime)> = LazyLock::new(|| (Instant::now(), SystemTime::now()));
    let (instant, wall) = *START;
    Duration::from_secs(1 << 20) + instant.elapsed().max(wall.elapsed().unwrap_or_default())
}
