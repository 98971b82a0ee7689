//! Tests of the devices that the system knows.

use std::sync::Arc;
use std::time::Duration;

use super::*;

fn id(text: &str) -> DeviceId {
    DeviceId::new(text)
}

fn registry() -> Registry {
    let mut registry = Registry::new(3);
    registry.set_scanning(true);
    registry
}

fn rssi(rssi: i16) -> DeviceUpdate {
    DeviceUpdate { rssi: Some(rssi), ..DeviceUpdate::default() }
}

#[test]
fn a_name_that_comes_late_joins_what_is_known() {
    let mut registry = registry();
    let now = Instant::now();
    assert_eq!(registry.merge(&id("a"), rssi(-50), now).device.name, None);
    assert_eq!(registry.unnamed(), [id("a")]);
    let named = DeviceUpdate { name: Some("Light-1".to_owned()), ..DeviceUpdate::default() };
    let device = registry.merge(&id("a"), named, now).device;
    assert_eq!((device.name.as_deref(), device.rssi), (Some("Light-1"), Some(-50)));
    assert!(registry.unnamed().is_empty());
}

#[test]
fn an_address_with_dashes_is_neither_name_nor_alias() {
    let mut registry = registry();
    let address = "50:32:37:00:00:01".parse().ok();
    let dashes = Some("50-32-37-00-00-01".to_owned());
    let update = DeviceUpdate { address, alias: dashes.clone(), name: dashes, ..DeviceUpdate::default() };
    let device = registry.merge(&id("a"), update, Instant::now()).device;
    assert_eq!((device.name, device.alias), (None, None));
}

#[test]
fn the_users_alias_does_not_hide_the_advertised_name() {
    let mut registry = registry();
    let named = |name: &str, alias: &str| DeviceUpdate {
        name: Some(name.to_owned()),
        alias: Some(alias.to_owned()),
        ..DeviceUpdate::default()
    };
    let device = registry.merge(&id("a"), named("ELK-BLEDOM", "Kitchen Bulb"), Instant::now()).device;
    assert_eq!(device.name.as_deref(), Some("ELK-BLEDOM"));
    assert_eq!(device.alias.as_deref(), Some("Kitchen Bulb"));
    let device = registry.merge(&id("b"), named("Light", "Light"), Instant::now()).device;
    assert_eq!(device.alias, None);
}

#[test]
fn heard_is_only_what_a_signal_strength_came_for() {
    let mut registry = registry();
    let start = Instant::now();
    let known = DeviceUpdate { name: Some("Old Bulb".to_owned()), ..DeviceUpdate::default() };
    assert_eq!(registry.merge(&id("old"), known, start).device.seen, None);
    let payload =
        DeviceUpdate { manufacturer: Some(BTreeMap::from([(1, vec![2])])), ..DeviceUpdate::default() };
    assert!(!registry.merge(&id("old"), payload.clone(), start).heard);

    let first = registry.merge(&id("new"), rssi(-50), start);
    assert_eq!(first.device.seen, Some(SeenTimes { first: start, last: start }));
    let later = start + Duration::from_secs(1);
    let remembered = DeviceUpdate { remembered: true, ..payload.clone() };
    let asked = registry.merge(&id("new"), remembered, later);
    assert_eq!((asked.heard, asked.device.seen), (false, first.device.seen));
    assert_eq!(asked.device.manufacturer, BTreeMap::from([(1, vec![2])]));
    assert_eq!(
        registry.merge(&id("new"), payload, later).device.seen,
        Some(SeenTimes { first: start, last: later })
    );
}

#[test]
fn nothing_is_heard_without_a_scan_and_each_scan_measures_anew() {
    let mut registry = registry();
    registry.merge(&id("a"), rssi(-50), Instant::now());
    registry.set_scanning(true);
    assert_eq!(registry.seen_device(&id("a")).and_then(|r| r.rssi), Some(-50), "the same scan goes on");
    registry.set_scanning(false);
    assert!(!registry.merge(&id("b"), rssi(-60), Instant::now()).heard);
    registry.set_scanning(true);
    assert_eq!(registry.seen_device(&id("a")).and_then(|r| r.rssi), None);
}

#[test]
fn a_signal_strength_that_cannot_be_is_none() {
    let mut registry = registry();
    for (dbm, known) in
        [(-127, true), (20, true), (-128, false), (21, false), (127, false), (i16::MIN, false)]
    {
        let power = DeviceUpdate { tx_power: Some(dbm), ..rssi(dbm) };
        let merged = registry.merge(&id("a"), power, Instant::now());
        let expected = known.then_some(dbm);
        assert_eq!((merged.device.rssi, merged.device.tx_power), (expected, expected));
        assert!(merged.heard, "it was heard all the same");
    }
}

#[test]
fn a_device_that_appears_in_a_scan_was_heard() {
    let mut registry = registry();
    let appeared = || DeviceUpdate { appeared: true, ..DeviceUpdate::default() };
    assert!(registry.merge(&id("a"), appeared(), Instant::now()).heard);
    assert!(!registry.merge(&id("a"), appeared(), Instant::now()).heard, "it was there");
    let connected = DeviceUpdate { connected: Some(true), ..appeared() };
    assert!(!registry.merge(&id("b"), connected, Instant::now()).heard, "it came by itself");
    registry.set_scanning(false);
    assert!(!registry.merge(&id("c"), appeared(), Instant::now()).heard);
}

/// Makes room for an update, and merges it.
fn take(registry: &mut Registry, name: &str, update: DeviceUpdate, at: Instant) {
    registry.make_room_for(&id(name), |id| id.as_str() == "in use");
    registry.merge(&id(name), update, at);
}

fn left(registry: &Registry) -> Vec<String> {
    registry.seen_devices().into_iter().map(|device| device.id.to_string()).collect()
}

fn named(name: &str) -> DeviceUpdate {
    DeviceUpdate { name: Some(name.to_owned()), ..DeviceUpdate::default() }
}

#[test]
fn the_longest_unheard_makes_room_but_none_that_is_connected_or_in_use() {
    let start = Instant::now();
    let linked = DeviceUpdate { connected: Some(true), ..DeviceUpdate::default() };
    for (first, more) in [("linked", linked), ("in use", DeviceUpdate::default())] {
        let mut registry = registry();
        for (n, name) in [first, "older", "newer"].into_iter().enumerate() {
            take(&mut registry, name, rssi(-50), start + Duration::from_secs(n as u64));
        }
        take(&mut registry, first, more, start);
        take(&mut registry, "newest", rssi(-50), start + Duration::from_secs(9));
        assert_eq!(left(&registry), [first, "newer", "newest"]);
    }
}

#[test]
fn what_is_known_or_named_makes_room_last() {
    let mut registry = registry();
    let start = Instant::now();
    let heard = |name: &str| DeviceUpdate { rssi: Some(-50), ..named(name) };
    registry.set_scanning(false);
    take(&mut registry, "known", DeviceUpdate::default(), start);
    registry.set_scanning(true);
    // What is known stays known when it is heard.
    take(&mut registry, "known", rssi(-50), start);
    take(&mut registry, "bulb", heard("Light-1"), start);
    for n in 0..10 {
        take(&mut registry, &format!("phone-{n}"), rssi(-50), start + Duration::from_secs(n));
    }
    assert_eq!(left(&registry), ["bulb", "known", "phone-9"]);
    take(&mut registry, "other", heard("Light-2"), start + Duration::from_secs(20));
    take(&mut registry, "third", heard("Light-3"), start + Duration::from_secs(21));
    assert_eq!(left(&registry), ["known", "other", "third"]);
}

#[test]
fn what_the_program_looks_for_makes_room_after_all_others() {
    let mut registry = registry();
    let start = Instant::now();
    registry.set_scanning(false);
    take(&mut registry, "known", named("Kettle"), start);
    registry.set_scanning(true);
    registry
        .prefer(Arc::new(|device| device.id.as_str() == "target" || device.manufacturer.contains_key(&7)));
    take(&mut registry, "target", rssi(-50), start);
    take(&mut registry, "recognised", rssi(-50), start);
    let data = Some(BTreeMap::from([(7, vec![1])]));
    take(&mut registry, "recognised", DeviceUpdate { manufacturer: data, ..rssi(-50) }, start);
    for n in 1..10 {
        let name = format!("Phone {n}");
        let phone = DeviceUpdate { rssi: Some(-50), ..named(&name) };
        take(&mut registry, &name, phone, start + Duration::from_secs(n));
    }
    assert_eq!(left(&registry), ["Phone 9", "recognised", "target"]);
    // Another preference counts for what is there as well.
    registry.prefer(Arc::new(|device| device.id.as_str() == "target"));
    take(&mut registry, "Phone 10", rssi(-50), start + Duration::from_secs(20));
    assert_eq!(left(&registry), ["Phone 10", "Phone 9", "target"]);
}

#[test]
fn an_advertisement_that_repeats_the_last_one_is_not_recognised_again() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    let (mut registry, asked) = (registry(), Arc::new(AtomicUsize::new(0)));
    let count = asked.clone();
    registry.prefer(Arc::new(move |_| count.fetch_add(1, Ordering::Relaxed) > 99));
    for n in 0..100 {
        let manufacturer = Some(BTreeMap::from([(7, vec![u8::from(n >= 50)])]));
        let update = DeviceUpdate { manufacturer, ..rssi(-50 - n) };
        take(&mut registry, "a", update, Instant::now());
    }
    assert_eq!(asked.load(Ordering::Relaxed), 2);
}

#[test]
fn a_drop_is_counted_even_if_the_link_is_up_again() {
    let mut registry = registry();
    let link = |up| DeviceUpdate { connected: Some(up), resolved: Some(up), ..DeviceUpdate::default() };
    registry.merge(&id("a"), link(true), Instant::now());
    registry.merge(&id("a"), link(false), Instant::now());
    let merged = registry.merge(&id("a"), link(true), Instant::now());
    let ended = merged.now.ended;
    assert!(ended.is_some());
    assert_eq!(merged.now, SystemLink { connected: true, resolved: true, drops: 1, ended });
    assert_eq!(registry.all_down(), [id("a")]);
    let link = registry.system_link(&id("a"));
    assert_eq!((link.connected, link.resolved, link.drops), (false, false, 2));
}

#[test]
fn a_device_that_was_received_was_heard_even_without_a_signal_strength() {
    let mut registry = registry();
    let received = DeviceUpdate { received: true, ..DeviceUpdate::default() };
    assert!(registry.merge(&id("a"), received.clone(), Instant::now()).heard);
    registry.set_scanning(false);
    assert!(!registry.merge(&id("a"), received, Instant::now()).heard);
}

#[test]
fn data_that_is_not_known_yet_is_other_data() {
    let mut registry = registry();
    let data = |byte| DeviceUpdate {
        manufacturer: Some(BTreeMap::from([(7, vec![byte])])),
        ..DeviceUpdate::default()
    };
    assert!(data(1).has_other_data(None));
    let device = registry.merge(&id("a"), data(1), Instant::now()).device;
    assert!(!data(1).has_other_data(Some(&device)));
    assert!(data(2).has_other_data(Some(&device)));
    assert!(!rssi(-50).has_other_data(Some(&device)));
}

#[test]
fn a_link_is_down_as_soon_as_its_services_are_and_up_as_soon_as_they_are() {
    let mut registry = registry();
    let mut take = |connected, resolved| {
        let update = DeviceUpdate { connected, resolved, ..DeviceUpdate::default() };
        let SystemLink { connected, resolved, drops, .. } =
            registry.merge(&id("a"), update, Instant::now()).now;
        (connected, resolved, drops)
    };
    assert_eq!(take(None, Some(false)), (false, false, 0));
    assert_eq!(take(None, Some(true)), (true, true, 0));
    assert_eq!(take(None, Some(false)), (false, false, 1));
    assert_eq!(take(Some(false), None), (false, false, 1), "one drop is counted once");
    assert_eq!(take(Some(true), Some(false)), (true, false, 1));
    assert_eq!(take(None, Some(true)), (true, true, 1));
    assert_eq!(take(Some(false), Some(true)), (false, false, 2), "services of a link that is down");
}
