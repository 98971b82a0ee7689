//! Tests of the radio on a scripted system.

mod fake;

use tokio::time::{Instant, sleep};

use super::registry::DeviceUpdate;
use super::shared::lock;
use super::*;
use crate::radio::gatt::uuid16;
use crate::radio::{CharacteristicId, Link, LinkState, WriteKind};
use fake::*;

#[test]
fn btleplug_can_be_asked_for() {
    assert_eq!(through_btleplug(None), None);
    assert_eq!(through_btleplug(Some("hci0")), None);
    assert_eq!(through_btleplug(Some("btleplug")), Some(None));
    assert_eq!(through_btleplug(Some("btleplug:hci1")), Some(Some("hci1")));
    assert_eq!(through_btleplug(Some("btleplugged")), None);
}

const ABORT: Fate = Fate::Refused("org.bluez.Error.Failed", "le-connection-abort-by-local");

#[tokio::test(start_paused = true)]
async fn aborts_of_the_moment_are_tried_again() {
    let (radio, fake) = radio([ABORT, ABORT, ABORT, Fate::Up]);
    let link = radio.connect(&id(), soon()).await.unwrap();
    assert!(!link.was_up());
    assert_eq!(count(&fake.calls(), "connect"), 4);
}

#[tokio::test(start_paused = true)]
async fn four_attempts_are_enough_and_the_last_reason_is_told() {
    let (radio, fake) = radio([ABORT, ABORT, ABORT, ABORT, Fate::Up]);
    let error = radio.connect(&id(), soon()).await.unwrap_err();
    assert_eq!(error.code(), "connect.failed");
    assert!(error.to_string().contains("le-connection-abort-by-local"), "{error}");
    assert!(error.to_string().contains("-50 dBm"), "{error}");
    radio.close().await;
    // What was refused is not under way: to cancel it might hit another program's attempt.
    assert_eq!(fake.calls(), ["connect"; 4]);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_will_last_is_not_tried_again() {
    let limit = Fate::Refused("org.bluez.Error.Failed", "le-connection-concurrent-connection-limit");
    let (radio, fake) = radio([limit]);
    assert_eq!(radio.connect(&id(), soon()).await.unwrap_err().code(), "connect.limit");
    assert_eq!(fake.calls(), ["connect"]);
}

const OTHER: &str = "C4:11:00:00:00:02";
const LIMIT: Fate = Fate::Refused("org.bluez.Error.Failed", "le-connection-concurrent-connection-limit");

/// A radio whose only connection is used by a link. Others are refused like this.
async fn full(refusal: Fate) -> (Arc<BtleRadio>, Arc<Fake>, Arc<dyn Link>) {
    let (radio, fake) = radio([Fate::Up]);
    let link = radio.connect(&id(), soon()).await.unwrap();
    lock(&fake.fates).extend((0..99).map(|_| refusal));
    (radio, fake, link)
}

#[tokio::test(start_paused = true)]
async fn a_full_adapter_is_waited_for_while_this_program_holds_links() {
    for refusal in [LIMIT, ABORT] {
        let (radio, fake, link) = full(refusal).await;
        let start = Instant::now();
        // The link ends two seconds after it was given up.
        let ends = async {
            sleep(Duration::from_secs(3)).await;
            drop(link);
            sleep(Duration::from_secs(2)).await;
            lock(&fake.fates).clear();
            fake.link(false, false);
        };
        let other = DeviceId::new(OTHER);
        let (made, ()) = tokio::join!(radio.connect(&other, soon()), ends);
        // The fake has news of the first bulb only.
        assert_eq!(made.unwrap_err().code(), "discover.timeout");
        assert!(start.elapsed() >= Duration::from_secs(5));
        assert!(count(&fake.calls(), "connect") <= 1 + 4 + 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_adapter_is_told_so_at_the_deadline() {
    for refusal in [LIMIT, ABORT] {
        let (radio, _fake, _link) = full(refusal).await;
        let start = Instant::now();
        let error = radio.connect(&DeviceId::new(OTHER), soon()).await.unwrap_err();
        assert_eq!((error.code(), start.elapsed().as_secs()), ("connect.limit", 10), "{error}");
        assert!(error.to_string().contains("no free connection"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_device_that_the_system_has_forgotten_is_told_so() {
    let (radio, _) = radio([Fate::Refused("org.freedesktop.DBus.Error.UnknownObject", "doesn't exist")]);
    let error = radio.connect(&id(), soon()).await.unwrap_err();
    assert_eq!(error.code(), "connect.failed");
    assert!(error.to_string().contains("scan"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_link_lost_while_connecting_is_noticed_at_once() {
    let (radio, fake) = radio([Fate::Drops(Duration::from_millis(200)), Fate::Up]);
    let start = Instant::now();
    radio.connect(&id(), soon()).await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    assert_eq!(count(&fake.calls(), "connect"), 2);
}

#[tokio::test(start_paused = true)]
async fn a_link_made_while_the_last_one_ends_is_ended_too() {
    let (radio, fake) = radio([Fate::Anew(Duration::from_secs(1))]);
    // Another program is connected, or about to be.
    fake.link(true, false);
    let link = radio.connect(&id(), soon()).await.unwrap();
    assert!(!link.was_up());
    drop(link);
    radio.close().await;
    assert_eq!(fake.calls(), ["connect", "disconnect"]);
}

#[tokio::test(start_paused = true)]
async fn a_link_that_is_up_although_the_connect_failed_is_ended_unless_another_program_connects() {
    let failed = Fate::UpAndRefused("le-connection-gatt-browsing");
    let (radio, fake) = radio([failed]);
    let id = id();
    let (link, ()) = tokio::join!(radio.connect(&id, soon()), fake.ends_in(2));
    assert!(!link.unwrap().was_up());
    radio.radio.disconnects.flush().await;
    assert_eq!(fake.calls(), ["connect", "disconnect", "connect", "disconnect"]);
    fake.link(false, false);

    *lock(&fake.fates) = [Fate::UpAndRefused("Operation already in progress")].into();
    let link = radio.connect(&id, soon()).await.unwrap();
    assert!(link.was_up());
    drop(link);
    radio.close().await;
    assert_eq!(fake.calls(), ["connect", "connect"]);
}

#[tokio::test(start_paused = true)]
async fn a_connect_without_an_answer_ends_at_the_deadline_and_is_cancelled() {
    let (radio, fake) = radio([Fate::Never]);
    let start = Instant::now();
    let error = radio.connect(&id(), soon()).await.unwrap_err();
    assert_eq!(error.code(), "connect.timeout");
    assert_eq!(start.elapsed(), Duration::from_secs(10));
    radio.close().await;
    assert_eq!(fake.calls(), ["connect", "disconnect"]);
}

#[tokio::test(start_paused = true)]
async fn a_connect_that_is_dropped_is_cancelled() {
    let (radio, fake) = radio([Fate::Never]);
    assert!(timeout(Duration::from_secs(1), radio.connect(&id(), soon())).await.is_err());
    radio.close().await;
    assert_eq!(fake.calls(), ["connect", "disconnect"]);
}

#[tokio::test(start_paused = true)]
async fn services_that_are_never_resolved_are_told_apart_from_a_bulb_that_does_not_answer() {
    let (radio, fake) = radio([Fate::Unresolved]);
    let error = radio.connect(&id(), soon()).await.unwrap_err();
    assert_eq!(error.code(), "discover.timeout");
    radio.close().await;
    assert_eq!(fake.calls(), ["connect", "disconnect"]);
}

#[tokio::test(start_paused = true)]
async fn a_table_that_comes_late_is_waited_for() {
    let (radio, fake) = radio([]);
    *lock(&fake.gatt.late) = 4;
    let link = radio.connect(&id(), soon()).await.unwrap();
    assert!(link.table().service(uuid16(0xFFF0)).is_some());
    drop(link);
    fake.link(false, false);
    *lock(&fake.gatt.late) = u32::MAX;
    let start = Instant::now();
    let id = id();
    let (link, ()) = tokio::join!(radio.connect(&id, soon()), fake.ends_in(4));
    // Looked for on a fresh link too, and then taken as it is.
    assert!(link.unwrap().table().services.is_empty());
    assert_eq!(count(&fake.calls(), "connect"), 3);
    assert!(start.elapsed() <= Duration::from_millis(6500), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_table_that_never_comes_may_come_on_a_fresh_link() {
    let (radio, fake) = radio([]);
    // Eleven looks in two seconds.
    *lock(&fake.gatt.late) = 11;
    let mut attempts = radio.connect_retries();
    let id = id();
    let (link, ()) = tokio::join!(radio.connect(&id, soon()), fake.ends_in(4));
    assert!(link.unwrap().table().service(uuid16(0xFFF0)).is_some());
    assert_eq!(fake.calls(), ["connect", "disconnect", "connect"]);
    assert_eq!(attempts.try_recv().unwrap().number, 2);
}

#[tokio::test(start_paused = true)]
async fn a_link_that_the_system_held_is_used_and_left_up() {
    let (radio, fake) = radio([]);
    fake.link(true, true);
    let link = radio.connect(&id(), soon()).await.unwrap();
    assert!(link.was_up());
    drop(link);
    radio.close().await;
    assert_eq!(fake.calls(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn the_last_handle_ends_a_link_of_our_own() {
    let (radio, fake) = radio([]);
    let link = radio.connect(&id(), soon()).await.unwrap();
    let same = radio.connect(&id(), soon()).await.unwrap();
    drop(link);
    radio.radio.disconnects.flush().await;
    assert_eq!(fake.calls(), ["connect"], "another handle is there");
    drop(same);
    radio.radio.disconnects.flush().await;
    assert_eq!(fake.calls(), ["disconnect"]);
}

#[tokio::test(start_paused = true)]
async fn a_link_that_is_kept_stays_up_unless_it_is_asked_to_end() {
    let (radio, fake) = radio([]);
    let link = radio.connect(&id(), soon()).await.unwrap();
    link.keep();
    drop(link);
    radio.close().await;
    assert_eq!(fake.calls(), ["connect"]);
    let link = radio.connect(&id(), soon()).await.unwrap();
    link.disconnect().await.unwrap();
    assert_eq!(fake.calls(), ["disconnect"]);
    assert_eq!(*link.state().borrow(), LinkState::Down);
}

#[tokio::test(start_paused = true)]
async fn a_link_that_is_ending_is_not_taken_for_a_good_one() {
    let (radio, fake) = radio([]);
    drop(radio.connect(&id(), soon()).await.unwrap());
    let ended = async {
        sleep(Duration::from_secs(2)).await;
        fake.link(false, false);
    };
    let start = Instant::now();
    let id = id();
    let (link, ()) = tokio::join!(radio.connect(&id, soon()), ended);
    assert!(!link.unwrap().was_up());
    assert_eq!(start.elapsed(), Duration::from_millis(2250), "BlueZ has closed the old channel");
    assert_eq!(fake.calls(), ["connect", "disconnect", "connect"]);
}

#[tokio::test(start_paused = true)]
async fn a_connect_waits_a_moment_after_a_link_that_another_program_has_ended() {
    let (radio, fake) = radio([]);
    fake.link(true, true);
    let link = radio.connect(&id(), soon()).await.unwrap();
    assert!(link.was_up());
    fake.link(false, false);
    let start = Instant::now();
    sleep(Duration::from_millis(100)).await;
    assert!(!radio.connect(&id(), soon()).await.unwrap().was_up());
    assert_eq!(start.elapsed(), Duration::from_millis(250));
    fake.link(false, false);
    sleep(Duration::from_secs(1)).await;
    let start = Instant::now();
    radio.connect(&id(), soon()).await.unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn two_connects_at_once_share_one_link() {
    let (radio, fake) = radio([]);
    let id = id();
    let (a, b) = tokio::join!(radio.connect(&id, soon()), radio.connect(&id, soon()));
    let (a, b) = (a.unwrap(), b.unwrap());
    assert!(!a.was_up() && !b.was_up());
    drop(a);
    assert_eq!(*b.state().borrow(), LinkState::Up);
    assert_eq!(fake.calls(), ["connect"]);
}

#[tokio::test(start_paused = true)]
async fn a_write_notices_silence_and_loss() {
    let (radio, fake) = radio([]);
    let link = radio.connect(&id(), soon()).await.unwrap();
    let write = || link.write(CONTROL, &[1], WriteKind::Request, Deadline::after(Duration::from_secs(3)));
    let start = Instant::now();
    assert_eq!(write().await.unwrap_err().code(), "bulb.timeout");
    assert_eq!(start.elapsed(), Duration::from_secs(3));

    let lost = async {
        sleep(Duration::from_secs(1)).await;
        fake.link(false, false);
    };
    let (written, ()) = tokio::join!(write(), lost);
    assert_eq!(written.unwrap_err().code(), "link.lost");
    assert_eq!(write().await.unwrap_err().code(), "link.lost");
}

#[tokio::test(start_paused = true)]
async fn unlikely_error_is_a_lost_link_only_if_the_link_is_lost() {
    let (radio, fake) = radio([]);
    let unlikely = || Err(failed("Operation failed with ATT error: 0x0e"));
    lock(&fake.gatt.writes).extend([unlikely(), unlikely()]);
    let link = radio.connect(&id(), soon()).await.unwrap();
    let write = || link.write(CONTROL, &[1], WriteKind::Request, soon());
    assert_eq!(write().await.unwrap_err().code(), "bulb.refused");
    let lost = async {
        sleep(Duration::from_millis(50)).await;
        fake.link(false, false);
    };
    let (written, ()) = tokio::join!(write(), lost);
    assert_eq!(written.unwrap_err().code(), "link.lost");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_meets_one_of_another_program_is_made_again() {
    let (radio, fake) = radio([]);
    let busy = || Err(PlatformError::new("org.bluez.Error.InProgress", "In Progress"));
    lock(&fake.gatt.writes).extend([busy(), busy(), busy(), Ok(())]);
    let link = radio.connect(&id(), soon()).await.unwrap();
    let write = || link.write(CONTROL, &[1], WriteKind::Request, Deadline::after(Duration::from_secs(2)));
    write().await.unwrap();
    // Until the deadline, and no longer.
    lock(&fake.gatt.writes).extend((0..99).map(|_| busy()));
    let start = Instant::now();
    let held = write().await.unwrap_err();
    assert_eq!(held.code(), "bulb.held", "{held}");
    let took = start.elapsed().as_millis();
    assert!((1500..=2000).contains(&took), "{took} ms");
    let asked = 99 - lock(&fake.gatt.writes).len();
    assert!((5..12).contains(&asked), "{asked} times");
    // A link that is lost meanwhile is lost.
    let lost = async {
        sleep(Duration::from_millis(300)).await;
        fake.link(false, false);
    };
    let (written, ()) = tokio::join!(write(), lost);
    assert_eq!(written.unwrap_err().code(), "link.lost");
}

#[tokio::test(start_paused = true)]
async fn one_operation_at_a_time() {
    let (radio, fake) = radio([]);
    lock(&fake.gatt.writes).extend([Ok(()), Ok(()), Ok(())]);
    let link = radio.connect(&id(), soon()).await.unwrap();
    let write = || link.write(CONTROL, &[1], WriteKind::Request, soon());
    let (a, b, c) = tokio::join!(write(), write(), write());
    assert!(a.is_ok() && b.is_ok() && c.is_ok());
    assert_eq!(lock(&fake.gatt.writing).1, 1);
}

#[tokio::test(start_paused = true)]
async fn notifications_come_from_the_first_on_and_end_with_the_link() {
    let (radio, fake) = radio([]);
    let link = radio.connect(&id(), soon()).await.unwrap();
    let mut status = link.subscribe(STATUS, soon()).await.unwrap();
    assert_eq!(status.try_recv(), Ok(vec![1]), "came before the answer");
    *lock(&fake.gatt.value) = vec![7];
    assert_eq!(link.read(STATUS, soon()).await, Ok(vec![7]));
    fake.gatt.notify(STATUS, &[2]);
    assert_eq!(status.try_recv(), Ok(vec![2]), "what was read is left out");
    fake.link(false, false);
    assert_eq!(status.recv().await, Err(broadcast::error::RecvError::Closed));
    assert_eq!(link.subscribe(STATUS, soon()).await.unwrap_err().code(), "link.lost");
}

#[tokio::test(start_paused = true)]
async fn ending_a_subscription_of_a_device_that_is_gone_is_no_error() {
    let (radio, _) = radio([]);
    let link = radio.connect(&id(), soon()).await.unwrap();
    link.unsubscribe(STATUS, soon()).await.unwrap();
    let _status = link.subscribe(STATUS, soon()).await.unwrap();
    link.unsubscribe(STATUS, soon()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_characteristic_that_is_not_there_is_told() {
    let (radio, _) = radio([]);
    let link = radio.connect(&id(), soon()).await.unwrap();
    let battery = CharacteristicId::short(0x180F, 0x2A19);
    assert_eq!(link.read(battery, soon()).await.unwrap_err().code(), "gatt.no_characteristic");
    assert_eq!(link.system_battery().await, Ok(Some(87)));
}

#[tokio::test(start_paused = true)]
async fn switching_the_adapter_off_ends_scan_and_links() {
    let (radio, fake) = radio([]);
    let mut state = radio.adapter_state();
    radio.start_scan().await.unwrap();
    let link = radio.connect(&id(), soon()).await.unwrap();
    radio.radio.shared.set_adapter(AdapterState::Off);
    assert_eq!(*link.state().borrow(), LinkState::Down);
    assert!(state.has_changed().unwrap() && *state.borrow_and_update() == AdapterState::Off);
    assert_eq!(radio.start_scan().await.unwrap_err().code(), "adapter.off");
    assert_eq!(radio.connect(&id(), soon()).await.unwrap_err().code(), "adapter.off");
    radio.radio.shared.set_adapter(AdapterState::On);
    fake.calls();
    radio.start_scan().await.unwrap();
    assert_eq!(fake.calls(), ["start_scan"], "it had stopped by itself");
}

#[tokio::test(start_paused = true)]
async fn a_service_that_has_ended_is_told_apart_from_an_adapter_that_is_gone() {
    let (radio, fake) = radio([]);
    radio.radio.shared.set_adapter(AdapterState::Absent);
    assert_eq!(radio.start_scan().await.unwrap_err().code(), "adapter.lost");
    assert_eq!(radio.known_devices().await.unwrap_err().code(), "adapter.lost");
    *lock(&fake.down) = true;
    assert_eq!(radio.connect(&id(), soon()).await.unwrap_err().code(), "service.down");
    assert_eq!(radio.known_devices().await.unwrap_err().code(), "service.down");
}

#[tokio::test(start_paused = true)]
async fn a_scan_starts_and_ends_once() {
    let (radio, fake) = radio([]);
    radio.stop_scan().await.unwrap();
    radio.start_scan().await.unwrap();
    radio.start_scan().await.unwrap();
    radio.stop_scan().await.unwrap();
    radio.close().await;
    assert_eq!(fake.calls(), ["start_scan", "stop_scan"]);
}

#[tokio::test(start_paused = true)]
async fn a_scan_that_hears_nothing_is_started_anew() {
    let (radio, fake) = radio([]);
    let hear =
        || radio.radio.shared.merge(&id(), DeviceUpdate { rssi: Some(-60), ..DeviceUpdate::default() });
    radio.start_scan().await.unwrap();
    for _ in 0..10 {
        sleep(Duration::from_secs(20)).await;
        hear();
    }
    assert_eq!(fake.calls(), ["start_scan"]);
    sleep(Duration::from_secs(29)).await;
    assert_eq!(fake.calls(), [""; 0]);
    sleep(Duration::from_secs(7)).await;
    assert_eq!(fake.calls(), ["stop_scan", "start_scan"]);
    // Again and again, also where it is refused; and nobody is told of an end.
    lock(&fake.scans).push_back(PlatformError::new("org.freedesktop.DBus.Error.AccessDenied", "no"));
    sleep(Duration::from_secs(36)).await;
    assert_eq!(fake.calls(), ["stop_scan", "start_scan"]);
    assert!(radio.radio.shared.scanning());
    radio.stop_scan().await.unwrap();
    fake.calls();
    sleep(Duration::from_secs(300)).await;
    assert_eq!(fake.calls(), [""; 0], "no scan is wanted");
    radio.start_scan().await.unwrap();
    radio.radio.shared.set_adapter(AdapterState::Off);
    fake.calls();
    sleep(Duration::from_secs(300)).await;
    assert_eq!(fake.calls(), [""; 0], "the adapter is off");
}

#[tokio::test(start_paused = true)]
async fn a_busy_adapter_is_asked_again() {
    let (radio, fake) = radio([]);
    let busy = || PlatformError::new("org.bluez.Error.InProgress", "Operation already in progress");
    let not_ready = || PlatformError::new("org.bluez.Error.NotReady", "Resource Not Ready");
    // As long as the kernel takes after bluetoothd was killed.
    lock(&fake.scans).extend((0..6).flat_map(|_| [not_ready(), busy()]));
    let start = Instant::now();
    radio.start_scan().await.unwrap();
    assert_eq!(count(&fake.calls(), "start_scan"), 13);
    assert!(start.elapsed() >= Duration::from_secs(10), "{:?}", start.elapsed());
    radio.stop_scan().await.unwrap();
    lock(&fake.scans).extend((0..99).map(|_| busy()));
    assert_eq!(radio.start_scan().await.unwrap_err().code(), "scan.busy");
    assert!(!radio.radio.shared.scanning());
    // One that is off is off.
    radio.radio.shared.set_adapter(AdapterState::Off);
    fake.calls();
    assert_eq!(radio.start_scan().await.unwrap_err().code(), "adapter.off");
    assert_eq!(count(&fake.calls(), "start_scan"), 0);
}

#[tokio::test(start_paused = true)]
async fn an_adapter_that_is_on_is_asked_again_when_it_is_unknown() {
    let (radio, fake) = radio([]);
    let unknown = || PlatformError::new("org.freedesktop.DBus.Error.UnknownObject", "no such object");
    lock(&fake.scans).extend([unknown(), unknown()]);
    radio.start_scan().await.unwrap();
    assert_eq!(count(&fake.calls(), "start_scan"), 3);
    radio.stop_scan().await.unwrap();
    // One that stays away is told.
    lock(&fake.scans).extend((0..99).map(|_| unknown()));
    assert_eq!(radio.start_scan().await.unwrap_err().code(), "adapter.lost");
}

#[tokio::test(start_paused = true)]
async fn closing_takes_no_longer_than_it_may() {
    let (radio, _) = radio_with(Fake { hangs: true, ..Fake::default() });
    radio.start_scan().await.unwrap();
    let _link = radio.connect(&id(), soon()).await.unwrap();
    let start = Instant::now();
    radio.close().await;
    assert!(start.elapsed() <= CLOSE_TIME, "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn reports_come_for_what_is_heard_and_for_links() {
    let (radio, fake) = radio([]);
    let mut reports = radio.seen_devices();
    fake.merge(DeviceUpdate { rssi: Some(-40), ..DeviceUpdate::default() });
    assert!(reports.try_recv().is_err(), "no scan runs");
    radio.start_scan().await.unwrap();
    fake.merge(DeviceUpdate { rssi: Some(-41), ..DeviceUpdate::default() });
    assert_eq!(reports.try_recv().unwrap().rssi, Some(-41));
    fake.merge(DeviceUpdate { name: Some("Light-2".to_owned()), ..DeviceUpdate::default() });
    assert_eq!(reports.try_recv().unwrap().name.as_deref(), Some("Light-2"));
    radio.stop_scan().await.unwrap();
    fake.link(true, true);
    assert!(reports.try_recv().unwrap().connected);
    assert!(radio.known_devices().await.unwrap().first().unwrap().connected);
}

#[tokio::test(start_paused = true)]
async fn a_bond_is_made_or_it_is_said_why_not() {
    let (radio, fake) = radio([]);
    let link = radio.connect(&id(), soon()).await.unwrap();
    let says = |name: &str| Err(PlatformError::new(format!("org.bluez.Error.{name}"), ""));
    lock(&fake.pairings).extend([
        Ok(()),
        says("AlreadyExists"),
        says("AuthenticationFailed"),
        says("InProgress"),
    ]);
    link.bond(soon()).await.unwrap();
    link.bond(soon()).await.unwrap();
    let refused = link.bond(soon()).await.unwrap_err();
    assert_eq!(refused.code(), "bulb.needs_pairing");
    assert!(refused.to_string().contains("it refused to pair"), "{refused}");
    assert_eq!(link.bond(soon()).await.unwrap_err().code(), "bulb.held");
    fake.calls();
    // A bulb that never answers.
    assert_eq!(link.bond(soon()).await.unwrap_err().code(), "bulb.timeout");
    assert_eq!(fake.calls(), ["pair", "cancel pairing"]);
    // A link that goes meanwhile.
    let bond = link.bond(soon());
    let (lost, ()) = tokio::join!(bond, async {
        sleep(Duration::from_millis(100)).await;
        fake.link(false, false);
    });
    assert_eq!(lost.unwrap_err().code(), "link.lost");
    assert_eq!(fake.calls(), ["pair", "cancel pairing"]);
}

#[tokio::test(start_paused = true)]
async fn a_bond_that_may_be_lost_is_named_where_links_break_at_once() {
    for bonded in [false, true] {
        let fates = (0..4).map(|_| Fate::Refused("org.bluez.Error.Failed", "le-connection-abort-by-local"));
        let fates = Mutex2::new(fates.collect());
        let (radio, _) = radio_with(Fake { fates, bonded: Some(bonded), ..Fake::default() });
        let error = radio.connect(&id(), soon()).await.unwrap_err();
        assert_eq!(error.code(), "connect.failed");
        assert_eq!(error.to_string().contains("bluetoothctl remove C4:11:00:00:00:01"), bonded, "{error}");
    }
}

mod services;
