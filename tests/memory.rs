//! Memory of the desk while the radio keeps reporting devices, and of the bridge.
//!
//! Every allocation of the process is counted, so the tests run one at a time. `cargo xtask bench tui` runs
//! the long one.

// Helpers of tests fail as tests do.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]

use std::alloc::System;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bulbctl::error::{Error, Result};
use bulbctl::radio::{
    AdapterInfo, AdapterState, Address, Deadline, DeviceId, Link, Radio, SEEN_DEVICE_QUEUE, SeenDevice,
    SeenTimes,
};
use bulbctl::tui::{Desk, Event, Options, RadioEvent, Setup, view};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use futures::FutureExt;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use tokio::sync::{Mutex, broadcast, watch};
use tokio::time::{Instant, interval};
use tokio_util::task::AbortOnDropHandle;

#[cfg(target_os = "linux")]
#[path = "memory/bridge.rs"]
mod bridge;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;
/// Held by the test that is being measured.
static ALONE: Mutex<()> = Mutex::const_new(());

const INTERVAL: Duration = Duration::from_millis(100);
/// After this time every list and log is full.
const SETTLED: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug)]
struct Reach {
    /// Number of devices at any time. Two thirds are strangers.
    devices: u32,
    /// Number of reports after which a stranger changes its address. Each one changes at a different time.
    rotation: u32,
}

/// A radio that sees many devices and connects to none.
#[derive(Debug)]
struct Crowd {
    reports: broadcast::Sender<SeenDevice>,
    state: watch::Sender<AdapterState>,
    _task: AbortOnDropHandle<()>,
}

impl Crowd {
    fn open(reach: Reach) -> Arc<dyn Radio> {
        let (reports, _) = broadcast::channel(SEEN_DEVICE_QUEUE);
        let task = tokio::spawn(report(reach, reports.clone()));
        let state = watch::Sender::new(AdapterState::On);
        Arc::new(Self { reports, state, _task: AbortOnDropHandle::new(task) })
    }
}

/// Reports all devices repeatedly, a tenth of them at a time.
async fn report(reach: Reach, reports: broadcast::Sender<SeenDevice>) {
    let first = Instant::now();
    let mut clock = interval(INTERVAL / 10);
    for turn in 0_u32.. {
        clock.tick().await;
        for device in (turn % 10..reach.devices).step_by(10) {
            // Fails until the desk subscribes.
            let _ = reports.send(heard(reach, device, turn / 10, first));
        }
    }
}

fn heard(reach: Reach, device: u32, round: u32, first: Instant) -> SeenDevice {
    let stranger = !device.is_multiple_of(3);
    let Reach { devices, rotation } = reach;
    let era = if stranger { (round + device * rotation / devices) / rotation } else { 0 };
    let [_, a, b, c] = device.to_be_bytes();
    let [_, _, d, e] = era.to_be_bytes();
    let address = Address::new([0xC4 | u8::from(stranger), a ^ 0x5C, b, c, d, e]);
    SeenDevice {
        id: DeviceId::new(address.to_string()),
        address: Some(address),
        name: (!stranger).then(|| format!("Light-{device:03}")),
        rssi: Some(-40 - i16::try_from((device + round % 7) % 50).unwrap()),
        manufacturer: BTreeMap::from([(0x004C, vec![0x10, 5, 3, 0x1C, 0xA2, 0x4E, 0x71])]),
        seen: Some(SeenTimes { first, last: Instant::now() }),
        ..SeenDevice::default()
    }
}

#[async_trait]
impl Radio for Crowd {
    fn adapter(&self) -> AdapterInfo {
        AdapterInfo { name: "crowd".to_owned(), address: None }
    }

    fn adapter_state(&self) -> watch::Receiver<AdapterState> {
        self.state.subscribe()
    }

    fn seen_devices(&self) -> broadcast::Receiver<SeenDevice> {
        self.reports.subscribe()
    }

    async fn start_scan(&self) -> Result<()> {
        Ok(())
    }

    async fn stop_scan(&self) -> Result<()> {
        Ok(())
    }

    async fn known_devices(&self) -> Result<Vec<SeenDevice>> {
        Ok(Vec::new())
    }

    async fn connect(&self, device: &DeviceId, _deadline: Deadline) -> Result<Arc<dyn Link>> {
        Err(Error::ConnectFailed { device: device.to_string(), rssi: None, reason: "a crowd".to_owned() })
    }

    async fn close(&self) {}
}

#[derive(Clone, Copy, Debug)]
struct Size {
    at: Duration,
    live: usize,
    devices: usize,
}

/// Opens a desk that lists every device, not only bulbs.
fn desk_among(reach: Reach) -> Desk {
    let setup = Setup::new(
        Arc::new(move || async move { Ok(Crowd::open(reach)) }.boxed()),
        Arc::default(),
        Duration::from_secs(10),
    );
    let options = Options { size: (100, 40), ..Options::default() };
    let mut desk = Desk::open(setup, options);
    press(&mut desk, 'a');
    desk
}

fn press(desk: &mut Desk, key: char) {
    let _ = desk.handle(Event::Key(KeyEvent::new(KeyCode::Char(key), KeyModifiers::NONE)));
}

fn live() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

/// Runs the desk for this long and draws once a second. Returns its memory at the end of every minute.
async fn desk_in_a_crowd(reach: Reach, time: Duration) -> Vec<Size> {
    let start = Instant::now();
    let mut desk = desk_among(reach);
    let mut terminal = Terminal::new(TestBackend::new(100, 40)).unwrap();
    let mut sizes = Vec::new();
    while start.elapsed() < time {
        desk.run_for(Duration::from_secs(1)).await.unwrap();
        terminal.draw(|frame| view(&desk.model, frame)).unwrap();
        if start.elapsed().as_secs().is_multiple_of(60) {
            sizes.push(Size { at: start.elapsed(), live: live(), devices: desk.model.listed().len() });
        }
    }
    desk.close().await;
    sizes
}

/// Asserts that memory stays flat once all lists are full. Returns it then and at the end.
fn assert_flat(reach: Reach, sizes: &[Size]) -> (Size, Size) {
    let begin = *sizes.iter().find(|size| size.at >= SETTLED).unwrap();
    let end = *sizes.last().unwrap();
    assert!(end.live < begin.live + begin.live / 20, "it grows: {sizes:#?}");
    // Devices in range, and those silent for less than half a minute: 300 reports and a few ticks.
    let most = reach.devices + reach.devices * 2 / 3 * 330 / reach.rotation;
    let right = usize::try_from(reach.devices).unwrap()..=usize::try_from(most).unwrap();
    assert!(sizes.iter().all(|size| right.contains(&size.devices)), "{right:?}: {sizes:#?}");
    (begin, end)
}

#[tokio::test(start_paused = true)]
async fn devices_that_are_gone_take_no_memory() {
    let _alone = ALONE.lock().await;
    // Forty strangers come and go each minute.
    let reach = Reach { devices: 60, rotation: 600 };
    let sizes = desk_in_a_crowd(reach, Duration::from_secs(3 * 60)).await;
    assert_flat(reach, &sizes);
}

/// 2,000 devices send 20,000 reports a second, and strangers change their address every two seconds. The desk
/// stays within its limit, and gets so few events that a key never waits behind many.
#[tokio::test(start_paused = true)]
async fn a_flood_neither_grows_nor_starves_the_keys() {
    let _alone = ALONE.lock().await;
    let start = Instant::now();
    let mut desk = desk_among(Reach { devices: 2000, rotation: 20 });
    let mut terminal = Terminal::new(TestBackend::new(100, 40)).unwrap();
    let mut full = Vec::new();
    for second in 1..=18 {
        let end = start + Duration::from_secs(second);
        let mut pieces = 0;
        while let Ok(event) = tokio::time::timeout_at(end, desk.next()).await {
            let _ = desk.handle(event.unwrap());
            pieces += 1;
        }
        // Ten batches, two ticks, and one or two more events.
        assert!(pieces <= 16, "{pieces} pieces in a second");
        terminal.draw(|frame| view(&desk.model, frame)).unwrap();
        assert!(desk.model.listed().len() <= 10_000);
        if desk.model.listed().len() == 10_000 {
            full.push(live());
        }
    }
    // The radio's own list of devices is full a second after the desk's.
    let [_, settled, later @ ..] = full.as_slice() else { panic!("{full:?}") };
    assert!(later.len() >= 3, "{full:?}");
    assert!(later.iter().all(|live| *live < settled + settled / 50), "it grows: {full:?}");

    // The radio task also handles a key at once.
    let (pressed, mut pieces) = (Instant::now(), 0);
    press(&mut desk, 's');
    loop {
        let event = desk.next().await.unwrap();
        let answer = matches!(event, Event::Radio(RadioEvent::Scan(_)));
        let _ = desk.handle(event);
        pieces += 1;
        if answer {
            break;
        }
    }
    assert!(pieces <= 3 && pressed.elapsed() <= Duration::from_millis(100), "{pieces} pieces");
    desk.close().await;
}

/// The hour in docs/BENCHMARKS.md.
#[tokio::test(start_paused = true)]
#[ignore = "takes minutes: cargo xtask bench tui"]
async fn an_hour_of_reports() {
    let _alone = ALONE.lock().await;
    let wall = std::time::Instant::now();
    // Phones change their address every fifteen minutes; this is faster.
    let reach = Reach { devices: 300, rotation: 1800 };
    let sizes = desk_in_a_crowd(reach, Duration::from_secs(60 * 60)).await;
    let (begin, end) = assert_flat(reach, &sizes);
    let highest = sizes.iter().map(|size| size.live).max().unwrap();
    let kilobytes = |bytes: usize| bytes as f64 / 1e3;
    println!(
        "| {:.0} kB | {:.0} kB | {:.0} kB | {:.0} s |",
        kilobytes(begin.live),
        kilobytes(end.live),
        kilobytes(highest),
        wall.elapsed().as_secs_f64()
    );
}
