//! Notifies systemd: a datagram on the socket that it names in `NOTIFY_SOCKET`. Does nothing elsewhere.

use std::time::Duration;

/// Interval of the watchdog, if systemd asks for one: half of its time limit.
pub(super) fn watchdog() -> Option<Duration> {
    system::watchdog().map(|limit| limit / 2)
}

pub(super) fn ready() {
    system::notify(system::State::Ready);
}

/// The configuration is being read again. [`ready`] ends it.
pub(super) fn reloading() {
    system::notify(system::State::Reloading);
}

pub(super) fn stopping() {
    system::notify(system::State::Stopping);
}

pub(super) fn alive() {
    system::notify(system::State::Alive);
}

/// A line for `systemctl status`.
pub(super) fn status(text: &str) {
    system::notify(system::State::Status(text));
}

pub(super) enum State<'a> {
    Ready,
    Reloading,
    Stopping,
    Alive,
    Status(&'a str),
}

#[cfg(unix)]
mod system {
    use std::time::Duration;

    use sd_notify::NotifyState;

    pub(super) use super::State;

    pub(super) fn watchdog() -> Option<Duration> {
        sd_notify::watchdog_enabled()
    }

    pub(super) fn notify(state: State<'_>) {
        let mut states = match state {
            State::Ready => vec![NotifyState::Ready],
            State::Reloading => vec![NotifyState::Reloading],
            State::Stopping => vec![NotifyState::Stopping],
            State::Alive => vec![NotifyState::Watchdog],
            State::Status(text) => vec![NotifyState::Status(text)],
        };
        if let State::Reloading = state {
            states.extend(NotifyState::monotonic_usec_now().ok());
        }
        if let Err(error) = sd_notify::notify(&states) {
            tracing::debug!("cannot notify systemd: {error}");
        }
    }
}

#[cfg(not(unix))]
mod system {
    use std::time::Duration;

    pub(super) use super::State;

    pub(super) fn watchdog() -> Option<Duration> {
        None
    }

    pub(super) fn notify(_state: State<'_>) {}
}
