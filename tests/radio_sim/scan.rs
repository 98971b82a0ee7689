//! Scanning: which devices are heard, when, and how long the system knows them.

use std::collections::BTreeSet;

use bulbctl::radio::{AdapterState, SEEN_DEVICE_QUEUE, SeenDevice};
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::time::{Instant, sleep, timeout};

use super::*;

const OFFICE: &str = include_str!("files/office.toml");

/// Everything that is heard in so long, with the time since the start.
async fn hear(radio: &dyn Radio, long: Duration) -> Vec<(Duration, SeenDevice)> {
    let mut seen = radio.seen_devices();
    let start = Instant::now();
    radio.start_scan().await.unwrap();
    let mut heard = Vec::new();
    let _ = timeout(long, async {
        loop {
            let device = seen.recv().await.unwrap();
            heard.push((start.elapsed(), device));
        }
    })
    .await;
    radio.stop_scan().await.unwrap();
    heard
}

#[tokio::test(start_paused = true)]
async fn hears_all_that_advertises_at_its_interval() {
    let rig = TestRig::new(OFFICE);
    let radio = rig.open().await;
    let heard = hear(radio.as_ref(), ms(5000)).await;
    let count = |id: &str| heard.iter().filter(|(_, device)| device.id.as_str() == id).count();
    // Each interval is up to 10 ms longer.
    assert!((45..=50).contains(&count(LIGHT)), "{}", count(LIGHT));
    // A scan response is a device of its own.
    assert!((38..=40).contains(&count("C4:11:00:00:00:02")), "{}", count("C4:11:00:00:00:02"));
    let desk: Vec<&SeenDevice> =
        heard.iter().map(|(_, device)| device).filter(|device| device.id.as_str() == LIGHT).collect();
    assert!(desk.iter().all(|device| device.name.as_deref() == Some("Light-Desk") && !device.connected));
    let rssi: BTreeSet<i16> = desk.iter().filter_map(|device| device.rssi).collect();
    assert!(rssi.iter().all(|rssi| (-51..=-45).contains(rssi)) && rssi.len() > 1, "{rssi:?}");
    let other = heard.iter().find(|(_, device)| device.id.as_str() == "C4:11:00:00:00:F1").unwrap();
    assert_eq!(other.1.name, None);
    assert_eq!(other.1.manufacturer[&0x004c], [0x10, 0x05]);
}

#[tokio::test(start_paused = true)]
async fn a_name_in_the_scan_response_comes_a_moment_later() {
    let radio = TestRig::new(OFFICE).open().await;
    let heard = hear(radio.as_ref(), ms(400)).await;
    let shelf: Vec<&(Duration, SeenDevice)> =
        heard.iter().filter(|(_, device)| device.id.as_str() == "C4:11:00:00:00:02").collect();
    assert_eq!(shelf[0].1.name, None);
    assert_eq!(shelf[0].1.services, [bulbctl::radio::gatt::uuid16(0xfff0)]);
    assert_eq!(shelf[1].1.name.as_deref(), Some("Light-Shelf"));
    let between = shelf[1].0 - shelf[0].0;
    assert!((ms(1)..=ms(2)).contains(&between), "{between:?}");
    // The system does not forget it with the next advertisement.
    assert!(shelf[1..].iter().all(|(_, device)| device.name.is_some()));
}

#[tokio::test(start_paused = true)]
async fn a_new_name_takes_the_place_of_the_old_one() {
    let rig = "[[bulb]]\nname = \"Bulb-rev1\"\naddress = \"C4:11:00:00:00:01\"\n\
               [[event]]\nat = \"2s\"\nbulb = \"C4:11:00:00:00:01\"\ndo = \"rename\"\nname = \"Bulb-rev2\"";
    let radio = TestRig::new(rig).open().await;
    let names = |heard: Vec<(Duration, SeenDevice)>| -> BTreeSet<Option<String>> {
        heard.into_iter().map(|(_, device)| device.name).collect()
    };
    let name = |text: &str| BTreeSet::from([Some(text.to_owned())]);
    assert_eq!(names(hear(radio.as_ref(), ms(1500)).await), name("Bulb-rev1"));
    sleep(ms(1000)).await;
    assert_eq!(names(hear(radio.as_ref(), ms(1500)).await), name("Bulb-rev2"));
    assert_eq!(radio.known_devices().await.unwrap()[0].name.as_deref(), Some("Bulb-rev2"));
}

#[tokio::test(start_paused = true)]
async fn every_run_is_the_same() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let radio = TestRig::new(OFFICE).open().await;
        let heard = hear(radio.as_ref(), ms(2000)).await;
        runs.push(heard.into_iter().map(|(at, device)| (at, device.id, device.rssi)).collect::<Vec<_>>());
    }
    assert_eq!(runs[0], runs[1]);
}

#[tokio::test(start_paused = true)]
async fn reports_come_only_while_a_scan_runs() {
    let radio = TestRig::new(OFFICE).open().await;
    let mut seen = radio.seen_devices();
    sleep(ms(1000)).await;
    assert_eq!(seen.try_recv(), Err(TryRecvError::Empty));
    radio.start_scan().await.unwrap();
    radio.start_scan().await.unwrap();
    seen.recv().await.unwrap();
    radio.stop_scan().await.unwrap();
    radio.stop_scan().await.unwrap();
    while seen.try_recv().is_ok() {}
    sleep(ms(1000)).await;
    assert_eq!(seen.try_recv(), Err(TryRecvError::Empty));
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_loses_the_oldest_reports_and_is_told() {
    let radio = TestRig::new(OFFICE).open().await;
    let mut seen = radio.seen_devices();
    radio.start_scan().await.unwrap();
    sleep(Duration::from_secs(120)).await;
    assert!(matches!(seen.recv().await, Err(RecvError::Lagged(_))));
    let waiting = std::iter::from_fn(|| seen.try_recv().ok()).count();
    assert_eq!(waiting, SEEN_DEVICE_QUEUE);
}

#[tokio::test(start_paused = true)]
async fn the_system_remembers_what_was_heard_for_thirty_seconds() {
    let rig = TestRig::new(OFFICE);
    let radio = rig.open().await;
    assert_eq!(radio.known_devices().await.unwrap(), []);
    heard(radio.as_ref()).await;
    assert_eq!(radio.known_devices().await.unwrap().len(), 3);
    radio.close().await;
    drop(radio);
    // In the next command too, which has not heard it itself.
    let radio = rig.open().await;
    let known = radio.known_devices().await.unwrap();
    assert_eq!(known.len(), 3);
    assert_eq!(known[0].name.as_deref(), Some("Light-Desk"));
    assert!(known.iter().all(|device| device.rssi.is_none() && device.seen.is_none() && !device.connected));
    sleep(Duration::from_secs(31)).await;
    assert_eq!(radio.known_devices().await.unwrap(), []);
    assert_eq!(code(radio.connect(&light(), soon()).await), "connect.failed");
}

#[tokio::test(start_paused = true)]
async fn a_bulb_with_a_link_does_not_advertise() {
    let rig = TestRig::new(OFFICE);
    let radio = rig.heard().await;
    let mut seen = radio.seen_devices();
    let link = radio.connect(&light(), soon()).await.unwrap();
    let device = seen.recv().await.unwrap();
    assert!(device.id == light() && device.connected);
    let heard = hear(radio.as_ref(), ms(1000)).await;
    assert!(!heard.is_empty() && heard.iter().all(|(_, device)| device.id != light()));
    let mut seen = radio.seen_devices();
    drop(link);
    let device = seen.recv().await.unwrap();
    assert!(device.id == light() && !device.connected);
}

#[tokio::test(start_paused = true)]
async fn an_adapter_can_be_off_and_switched_on_and_off() {
    let rig = TestRig::with_bulb(
        "[adapter]\nstate = \"off\"\n[[event]]\nat = \"1s\"\nadapter = \"on\"\n[[event]]\nat = \"5s\"\nadapter = \"off\"",
    );
    let radio = rig.open().await;
    let mut state = radio.adapter_state();
    assert_eq!(*state.borrow(), AdapterState::Off);
    assert_eq!(code(radio.start_scan().await), "adapter.off");
    state.wait_for(|state| *state == AdapterState::On).await.unwrap();
    heard(radio.as_ref()).await;
    let link = radio.connect(&light(), soon()).await.unwrap();
    radio.start_scan().await.unwrap();
    state.wait_for(|state| *state == AdapterState::Off).await.unwrap();
    assert_eq!(code(link.read(STATUS, soon()).await), "link.lost");
    assert_eq!(code(radio.connect(&light(), soon()).await), "adapter.off");
    radio.stop_scan().await.unwrap();
    assert_eq!(rig.log(), ["connect", "disconnect central"]);
}

#[tokio::test(start_paused = true)]
async fn bluetooth_can_be_unusable_in_every_way() {
    for (state, expected) in [
        ("blocked", "adapter.blocked"),
        ("absent", "adapter.none"),
        ("no-service", "service.down"),
        ("no-bus", "service.no_bus"),
        ("denied", "service.denied"),
    ] {
        let rig = TestRig::new(&format!("[adapter]\nstate = \"{state}\""));
        assert_eq!(code(rig.try_open().await), expected);
    }
}
