//! Runs the TUI on each rig, on the paused clock: it connects at 1 s, toggles the bulb at 1.5 s, and stays for a minute.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bulbctl::bulb::{DriverEvent, LinkPhase, Provenance};
use bulbctl::radio::AdapterState;
use bulbctl::radio::sim::{self, SimOptions};
use bulbctl::tui::{Desk, Event, Options, RadioEvent, Setup};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use futures::FutureExt;
use tempfile::TempDir;
use tokio::time::{Instant, timeout_at};

/// Returns the TUI's cell of the table: each event of the desk once, in order, and whether the bulb is connected at the end.
pub(crate) fn cell(rig: &Path) -> String {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let dir = TempDir::new().unwrap();
    let cell = runtime.block_on(session(rig, dir.path()));
    let log = fs::read_to_string(dir.path().join("log")).unwrap_or_default();
    let count = |event: &str| log.matches(&format!("\"event\":\"{event}\"")).count();
    assert_eq!(count("connect"), count("disconnect"), "{}: the desk leaves a link: {log}", rig.display());
    cell
}

async fn session(rig: &Path, dir: &Path) -> String {
    let (rig, world, log) = (rig.to_owned(), dir.join("world"), dir.join("log"));
    let open = move || {
        let (rig, options) = (rig.clone(), SimOptions { dir: Some(world.clone()), log: Some(log.clone()) });
        async move { sim::open(Some(&rig), options).await }.boxed()
    };
    let start = Instant::now();
    let setup = Setup::new(Arc::new(open), Arc::default(), Duration::from_secs(2));
    let mut desk = Desk::open(setup, Options { start, ..Options::default() });
    let (mut events, mut up) = (Vec::new(), false);
    for (key, until) in [(None, 1000), (Some(KeyCode::Enter), 1500), (Some(KeyCode::Char(' ')), 60_000)] {
        if let Some(code) = key {
            let _ = desk.handle(Event::Key(KeyEvent::new(code, KeyModifiers::NONE)));
        }
        while let Ok(event) = timeout_at(start + Duration::from_millis(until), desk.next()).await {
            let event = event.unwrap();
            if let Event::Radio(radio) = &event {
                note_event(radio, &mut events, &mut up);
            }
            let _ = desk.handle(event);
        }
    }
    desk.close().await;
    if !events.iter().any(|event| event == "connected") {
        return events.join(", ");
    }
    format!("{}; {} in the end", events.join(", "), if up { "connected" } else { "not connected" })
}

fn note_event(event: &RadioEvent, events: &mut Vec<String>, up: &mut bool) {
    let text = match event {
        RadioEvent::OpenFailed(error) | RadioEvent::Failed(error) => format!("`{}`", error.code()),
        RadioEvent::Opened(_, AdapterState::Off, _) | RadioEvent::Adapter(AdapterState::Off) => {
            "adapter off".to_owned()
        }
        RadioEvent::Driver(_, DriverEvent::Link(phase)) => {
            let before = std::mem::replace(up, *phase == LinkPhase::Up);
            match (before, *up) {
                (false, true) => "connected".to_owned(),
                (true, false) => "lost".to_owned(),
                _ => return,
            }
        }
        RadioEvent::Driver(_, DriverEvent::State(state, _)) => {
            assert!(*up || state.provenance == Provenance::Unknown, "{state:?} of a bulb without a link");
            match state.provenance {
                Provenance::Reported => "reported".to_owned(),
                _ => return,
            }
        }
        RadioEvent::Driver(_, DriverEvent::Confirmed(_)) => "confirmed".to_owned(),
        RadioEvent::Driver(_, DriverEvent::Unconfirmed) => "not confirmed".to_owned(),
        RadioEvent::Driver(_, DriverEvent::Trouble(error)) => format!("`{}`", error.code()),
        _ => return,
    };
    if !events.contains(&text) {
        events.push(text);
    }
}
