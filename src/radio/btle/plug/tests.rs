//! Tests of this folder on played systems. The scenarios run on them too.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use super::super::adapter_choice::PowerBlock;
use super::super::{BtleRadio, opened_in_time};
use super::played::{PlayedCentral, PlayedPeripheral, PlayedSystem};
use super::*;
use crate::radio::sim::SimOptions;
use crate::radio::{
    AdapterState, CharacteristicId, Deadline, DeviceDetails, Link, LinkState, Radio, SeenDevice, WriteKind,
};

const STATUS: CharacteristicId = CharacteristicId::short(0xFFF0, 0xFFF2);
const CONTROL: CharacteristicId = CharacteristicId::short(0xFFF0, 0xFFF1);

/// A bulb that advertises nothing but its name, and drops its link after each of two times.
const RIG: &str = r#"rig = 1
about = "a bulb for tests of played systems"

[[bulb]]
name = "Light-Bare"
address = "C4:11:00:00:00:01"
advertises = []
"#;

/// Gives the same adapter each time it is opened.
#[derive(Debug)]
struct Again {
    played: Played,
    central: PlayedCentral,
    opened: Arc<AtomicUsize>,
}

#[async_trait]
impl Backend for Again {
    type Central = PlayedCentral;
    type Peripheral = PlayedPeripheral;

    fn ways(&self) -> Ways {
        self.played.ways()
    }

    async fn adapters(&self) -> Result<Vec<(String, PlayedCentral)>, PlatformError> {
        self.opened.fetch_add(1, Ordering::Relaxed);
        Ok(vec![("played".to_owned(), self.central.clone())])
    }

    fn id_of(peripheral: &PlayedPeripheral) -> DeviceId {
        Played::id_of(peripheral)
    }
}

struct Stage {
    radio: Arc<dyn Radio>,
    central: PlayedCentral,
    opened: Arc<AtomicUsize>,
    _dir: TempDir,
}

async fn stage(system: PlayedSystem, rig: &str) -> Stage {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("rig.toml");
    fs::write(&file, rig).unwrap();
    let options = SimOptions { dir: Some(dir.path().join("world")), log: None };
    let played = Played { system, rig: Some(file), options };
    let (_, central) = played.adapters().await.unwrap().remove(0);
    let opened = Arc::new(AtomicUsize::new(0));
    let again = Again { played, central: central.clone(), opened: opened.clone() };
    let radio = BtleRadio::new(opened_in_time(open_on(again, None)).await.unwrap());
    Stage { radio: Arc::new(radio), central, opened, _dir: dir }
}

impl Stage {
    /// Scans until the bulb is seen with its name.
    async fn found(&self) -> SeenDevice {
        let mut seen = self.radio.seen_devices();
        self.radio.start_scan().await.unwrap();
        let end = Instant::now() + Duration::from_secs(10);
        let found = loop {
            let device = tokio::time::timeout_at(end, seen.recv()).await.unwrap().unwrap();
            if device.name.is_some() {
                break device;
            }
        };
        self.radio.stop_scan().await.unwrap();
        found
    }

    async fn connected(&self, device: &SeenDevice) -> Arc<dyn Link> {
        self.radio.connect(&device.id, soon()).await.unwrap()
    }
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(20))
}

/// Writes a frame, and waits for the notification of the new state.
async fn is_driven(link: &dyn Link) {
    let mut status = link.subscribe(STATUS, soon()).await.unwrap();
    link.write(CONTROL, &[1, 50, 0, 255, 0], WriteKind::Request, soon()).await.unwrap();
    let told = tokio::time::timeout(Duration::from_secs(5), status.recv()).await.unwrap();
    assert_eq!(told, Ok(vec![1, 50, 0, 255, 0]));
}

#[tokio::test(start_paused = true)]
async fn a_device_that_advertises_only_its_name_is_found_on_each_system() {
    for (system, has_address) in [(PlayedSystem::MacOs, false), (PlayedSystem::Windows, true)] {
        let stage = stage(system, RIG).await;
        let device = stage.found().await;
        assert_eq!(device.name.as_deref(), Some("Light-Bare"), "{system:?}");
        assert_eq!(device.address.is_some(), has_address, "{system:?}");
        assert_eq!(device.id.as_str().contains('-'), !has_address, "{}", device.id);
        assert!(device.seen.is_some(), "{system:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_bulb_is_driven_again_after_its_link_was_lost() {
    for system in [PlayedSystem::MacOs, PlayedSystem::Windows] {
        let stage = stage(system, RIG).await;
        let device = stage.found().await;
        for _ in 0..3 {
            let link = stage.connected(&device).await;
            is_driven(link.as_ref()).await;
            stage.central.drop_links().await;
            let mut state = link.state();
            let lost = state.wait_for(|state| *state == LinkState::Down);
            tokio::time::timeout(Duration::from_secs(5), lost).await.unwrap().unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_events_that_ends_is_a_lost_adapter_and_is_opened_again() {
    let stage = stage(PlayedSystem::MacOs, RIG).await;
    let device = stage.found().await;
    let link = stage.connected(&device).await;
    let mut adapter = stage.radio.adapter_state();
    stage.central.end_events();
    adapter.wait_for(|state| *state == AdapterState::Absent).await.unwrap();
    assert_eq!(*link.state().borrow(), LinkState::Down);
    assert_eq!(stage.radio.start_scan().await.unwrap_err().code(), "adapter.lost");
    adapter.wait_for(|state| *state == AdapterState::On).await.unwrap();
    assert_eq!(stage.opened.load(Ordering::Relaxed), 2);
    drop(link);
    stage.central.drop_links().await;
    sleep(Duration::from_secs(1)).await;
    let device = stage.found().await;
    is_driven(stage.connected(&device).await.as_ref()).await;
}

/// A scan may meet the device again before its handle is retrieved. The old handle is deaf then.
#[tokio::test(start_paused = true)]
async fn a_bulb_that_a_scan_meets_again_at_once_is_driven_too() {
    let stage = stage(PlayedSystem::MacOs, RIG).await;
    let device = stage.found().await;
    let link = stage.connected(&device).await;
    stage.radio.start_scan().await.unwrap();
    stage.central.drop_links_and_meet_again().await;
    let mut state = link.state();
    state.wait_for(|state| *state == LinkState::Down).await.unwrap();
    drop(link);
    let device = stage.found().await;
    is_driven(stage.connected(&device).await.as_ref()).await;
}

/// The link that is up ends before btleplug has answered. It waits on, and BlueZ has its request in progress for a while.
#[tokio::test(start_paused = true)]
async fn a_connect_without_an_answer_is_asked_again_until_it_is_no_longer_in_progress() {
    let stage = stage(PlayedSystem::Windows, RIG).await;
    let device = stage.found().await;
    let all = stage.central.peripherals().await.unwrap();
    all[0].connect().await.unwrap();
    sleep(Duration::from_secs(1)).await;
    stage.central.stall(true, 3);
    let start = Instant::now();
    is_driven(stage.connected(&device).await.as_ref()).await;
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

/// That of another program is none of ours: the caller decides whether to wait.
#[tokio::test(start_paused = true)]
async fn a_connect_of_another_program_that_is_in_progress_is_told() {
    let stage = stage(PlayedSystem::Windows, RIG).await;
    let device = stage.found().await;
    stage.central.stall(false, usize::MAX);
    let error = stage.radio.connect(&device.id, soon()).await.unwrap_err();
    assert_eq!(error.code(), "connect.failed");
    assert!(error.to_string().contains("another attempt to connect to it is in progress"), "{error}");
}

/// A companion that knows a battery.
#[derive(Debug)]
struct Battery;

#[async_trait]
impl Companion for Battery {
    async fn details(&self, _: &DeviceId) -> Result<DeviceDetails, PlatformError> {
        Ok(DeviceDetails::default())
    }

    async fn pair(&self, _: &DeviceId) -> Result<(), PlatformError> {
        Ok(())
    }

    async fn battery(&self, _: &DeviceId) -> Result<Option<u8>, PlatformError> {
        Ok(Some(87))
    }

    fn is_running(&self) -> bool {
        true
    }

    fn has_bus(&self) -> bool {
        true
    }

    async fn lost(&self) {
        std::future::pending().await
    }

    async fn reopened(&self) {}

    async fn block(&self) -> Option<PowerBlock> {
        None
    }
}

/// A system with a companion beside it, as BlueZ has.
#[derive(Debug)]
struct Beside(Played);

#[async_trait]
impl Backend for Beside {
    type Central = PlayedCentral;
    type Peripheral = PlayedPeripheral;

    fn ways(&self) -> Ways {
        self.0.ways()
    }

    async fn adapters(&self) -> Result<Vec<(String, PlayedCentral)>, PlatformError> {
        self.0.adapters().await
    }

    async fn companion(
        &self,
        _: &AdapterInfo,
        _: &Arc<SharedState>,
    ) -> Result<Option<Box<dyn Companion>>, PlatformError> {
        Ok(Some(Box::new(Battery)))
    }

    fn id_of(peripheral: &PlayedPeripheral) -> DeviceId {
        Played::id_of(peripheral)
    }
}

#[tokio::test(start_paused = true)]
async fn what_btleplug_does_not_know_is_asked_of_the_companion() {
    let device = DeviceId::new("C4:11:00:00:00:01");
    let dir = TempDir::new().unwrap();
    let played = || {
        let options = SimOptions { dir: Some(dir.path().to_owned()), log: None };
        Played { system: PlayedSystem::Windows, rig: None, options }
    };
    let beside = open_on(Beside(played()), None).await.unwrap();
    assert_eq!(beside.system.battery(&device).await, Ok(Some(87)));
    let alone = open_on(played(), None).await.unwrap();
    assert_eq!(alone.system.battery(&device).await, Ok(None));
}
