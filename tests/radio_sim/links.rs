//! Links that work: connecting, reading, writing, notifications, and how they end.

use bulbctl::radio::LinkState;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, sleep, timeout};

use super::*;

#[tokio::test(start_paused = true)]
async fn connecting_takes_its_time_and_gives_the_table() {
    let rig = TestRig::with_bulb(
        "connect_latency = \"150ms\"\nbattery = 9\ndevice = { model = \"BW-1\", serial = \"0001\" }",
    );
    let radio = rig.heard().await;
    let start = Instant::now();
    let link = radio.connect(&light(), soon()).await.unwrap();
    assert_eq!(start.elapsed(), ms(150));
    assert!(!link.was_up());
    assert_eq!(link.device(), &light());
    assert_eq!(*link.state().borrow(), LinkState::Up);
    let table: Vec<String> = link
        .table()
        .services
        .iter()
        .flat_map(|service| service.characteristics.iter())
        .map(|c| format!("{} {}", bulbctl::radio::gatt::uuid_text(c.uuid), c.properties))
        .collect();
    assert_eq!(
        table,
        [
            "fff1 write, write-without-response",
            "fff2 read, notify",
            "2a19 read, notify",
            "2a24 read",
            "2a25 read"
        ]
    );
    let model = CharacteristicId::short(0x180A, 0x2A24);
    assert_eq!(link.read(model, soon()).await.unwrap(), b"BW-1");
    assert_eq!(link.read(BATTERY, soon()).await.unwrap(), [9]);
    assert_eq!(link.system_battery().await.unwrap(), None);
    // The system knows the services by now.
    let known = radio.known_devices().await.unwrap();
    assert_eq!(known[0].services.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_command_is_notified_and_logged_byte_for_byte() {
    let rig = TestRig::with_bulb("");
    let (_radio, link) = connected(&rig).await;
    let mut status = link.subscribe(STATUS, soon()).await.unwrap();
    let start = Instant::now();
    write(link.as_ref(), &RED).await.unwrap();
    assert_eq!(status.recv().await.unwrap(), RED);
    let after = start.elapsed();
    assert!((ms(20)..=ms(22)).contains(&after), "{after:?}");
    assert_eq!(link.read(STATUS, soon()).await.unwrap(), RED);
    link.write(CONTROL, &START, WriteKind::Command, soon()).await.unwrap();
    assert_eq!(status.recv().await.unwrap(), START);
    link.unsubscribe(STATUS, soon()).await.unwrap();
    link.unsubscribe(STATUS, soon()).await.unwrap();
    write(link.as_ref(), &RED).await.unwrap();
    sleep(ms(100)).await;
    assert_eq!(status.recv().await, Err(RecvError::Closed));
    link.disconnect().await.unwrap();
    link.disconnect().await.unwrap();
    assert_eq!(
        rig.log(),
        [
            "connect",
            "subscribe fff2",
            "write fff1 request 0164ff0000",
            "notify fff2 0164ff0000",
            "read fff2",
            "write fff1 command 0032ffffff",
            "notify fff2 0032ffffff",
            "unsubscribe fff2",
            "write fff1 request 0164ff0000",
            "disconnect central",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn wrong_requests_are_refused_as_a_real_stack_does() {
    let rig = TestRig::with_bulb("");
    let (_radio, link) = connected(&rig).await;
    let refused = |error: Error| match error {
        Error::Refused { att, .. } => att,
        other => panic!("{other}"),
    };
    assert_eq!(refused(write(link.as_ref(), &[1, 2]).await.unwrap_err()), 0x0d);
    assert_eq!(refused(write(link.as_ref(), &[9, 0, 0, 0, 0]).await.unwrap_err()), 0x80);
    assert_eq!(refused(link.read(CONTROL, soon()).await.unwrap_err()), 0x02);
    let to_status = link.write(STATUS, &RED, WriteKind::Request, soon()).await;
    assert_eq!(refused(to_status.unwrap_err()), 0x03);
    link.write(STATUS, &RED, WriteKind::Command, soon()).await.unwrap();
    assert_eq!(code(link.subscribe(CONTROL, soon()).await), "bulb.unsupported");
    let unknown = CharacteristicId::short(0xfff0, 0xfff9);
    assert_eq!(code(link.read(unknown, soon()).await), "gatt.no_characteristic");
    assert_eq!(link.read(STATUS, soon()).await.unwrap(), START);
}

#[tokio::test(start_paused = true)]
async fn a_link_ends_with_its_last_handle_and_with_the_radio() {
    let rig = TestRig::with_bulb("");
    let (radio, link) = connected(&rig).await;
    let other = radio.connect(&light(), soon()).await.unwrap();
    let mut state = link.state();
    drop(link);
    assert_eq!(*state.borrow(), LinkState::Up);
    drop(other);
    state.wait_for(|state| *state == LinkState::Down).await.unwrap();
    let link = radio.connect(&light(), soon()).await.unwrap();
    radio.close().await;
    assert_eq!(*link.state().borrow(), LinkState::Down);
    assert_eq!(rig.log(), ["connect", "disconnect central", "connect", "disconnect central"]);
}

#[tokio::test(start_paused = true)]
async fn a_kept_link_is_there_for_the_next_command() {
    let rig = TestRig::with_bulb("");
    let (radio, link) = connected(&rig).await;
    link.subscribe(STATUS, soon()).await.unwrap();
    link.keep();
    drop(link);
    radio.close().await;
    drop(radio);
    for _ in 0..2 {
        let radio = rig.open().await;
        let known = radio.known_devices().await.unwrap();
        assert!(known[0].connected);
        let start = Instant::now();
        let link = radio.connect(&known[0].id, soon()).await.unwrap();
        assert!(link.was_up() && start.elapsed() < ms(2));
        assert_eq!(link.read(STATUS, soon()).await.unwrap(), START);
        drop(link);
        radio.close().await;
    }
    let radio = rig.open().await;
    radio.connect(&light(), soon()).await.unwrap().disconnect().await.unwrap();
    radio.close().await;
    assert!(!rig.open().await.known_devices().await.unwrap()[0].connected);
    assert_eq!(
        rig.log(),
        ["connect", "subscribe fff2", "unsubscribe fff2", "read fff2", "read fff2", "disconnect central"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_lost_link_is_noticed_at_once() {
    let rig = TestRig::with_bulb(
        "[[bulb.fault]]\non = \"read\"\ndo = \"silent\"\n\
         [[event]]\nat = \"3s\"\nbulb = \"C4:11:00:00:00:01\"\ndo = \"drop\"",
    );
    let (radio, link) = connected(&rig).await;
    let mut status = link.subscribe(STATUS, soon()).await.unwrap();
    let mut state = link.state();
    let far = Deadline::after(Duration::from_secs(60));
    assert_eq!(code(link.read(STATUS, far).await), "link.lost");
    assert!(far.waited() < ms(3000));
    assert_eq!(status.recv().await, Err(RecvError::Closed));
    assert_eq!(*state.borrow_and_update(), LinkState::Down);
    assert_eq!(code(write(link.as_ref(), &RED).await), "link.lost");
    assert_eq!(code(link.subscribe(STATUS, soon()).await), "link.lost");
    link.unsubscribe(STATUS, soon()).await.unwrap();
    link.disconnect().await.unwrap();
    drop(link);
    // And there is another one at once.
    radio.connect(&light(), soon()).await.unwrap();
    assert_eq!(rig.log()[..4], ["connect", "subscribe fff2", "read fff2", "disconnect bulb"]);
}

#[tokio::test(start_paused = true)]
async fn operations_take_turns() {
    let rig = TestRig::with_bulb("[[bulb.fault]]\non = \"write\"\ndo = \"delay\"\nfor = \"100ms\"");
    let (_radio, link) = connected(&rig).await;
    let start = Instant::now();
    let (first, second) = tokio::join!(write(link.as_ref(), &RED), write(link.as_ref(), &START));
    assert!(first.is_ok() && second.is_ok());
    assert_eq!(start.elapsed(), ms(200));
    // One that is given up does not hold up the others.
    assert!(timeout(ms(10), write(link.as_ref(), &RED)).await.is_err());
    write(link.as_ref(), &START).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_somebody_else_does_is_notified() {
    let rig = TestRig::with_bulb(
        "battery = 50\nbattery_drain = \"2s\"\n\
         [[event]]\nat = \"3s\"\nbulb = \"C4:11:00:00:00:01\"\ndo = \"set\"\nbrightness = 7",
    );
    let (_radio, link) = connected(&rig).await;
    let mut status = link.subscribe(STATUS, soon()).await.unwrap();
    let mut battery = link.subscribe(BATTERY, soon()).await.unwrap();
    assert_eq!(battery.recv().await.unwrap(), [49]);
    assert_eq!(status.recv().await.unwrap(), [0, 7, 255, 255, 255]);
    assert_eq!(battery.recv().await.unwrap(), [48]);
}

#[tokio::test(start_paused = true)]
async fn a_hundred_bulbs_at_once() {
    let address = |n: u32| format!("C4:11:00:00:01:{n:02X}");
    let rig: String =
        (0..100).map(|n| format!("[[bulb]]\nname = \"Light-{n}\"\naddress = \"{}\"\n", address(n))).collect();
    let rig = TestRig::new(&format!("[adapter]\nlinks = 100\n{rig}"));
    let radio = rig.heard().await;
    let start = Instant::now();
    let all = (0..100).map(|n| {
        let (radio, id) = (&radio, DeviceId::new(address(n)));
        async move {
            let link = radio.connect(&id, soon()).await?;
            write(link.as_ref(), &RED).await?;
            link.read(STATUS, soon()).await
        }
    });
    for value in futures::future::join_all(all).await {
        assert_eq!(value.unwrap(), RED);
    }
    assert!(start.elapsed() < ms(100), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn the_tenth_round_over_sixty_bulbs_is_as_fast_as_the_first() {
    let address = |n: u32| format!("C4:11:00:00:02:{n:02X}");
    let rig: String =
        (0..60).map(|n| format!("[[bulb]]\nname = \"Light-{n}\"\naddress = \"{}\"\n", address(n))).collect();
    let rig = TestRig::new(&rig);
    let radio = rig.heard().await;
    let mut rounds = Vec::new();
    for _ in 0..10 {
        let start = Instant::now();
        for n in 0..60 {
            let link = radio.connect(&DeviceId::new(address(n)), soon()).await.unwrap();
            assert!(!link.was_up());
            write(link.as_ref(), &RED).await.unwrap();
            link.disconnect().await.unwrap();
        }
        rounds.push(start.elapsed());
    }
    assert!(rounds.iter().all(|round| *round == rounds[0]), "{rounds:?}");
    assert!(radio.known_devices().await.unwrap().iter().all(|device| !device.connected));
}

#[tokio::test(start_paused = true)]
async fn an_adapter_has_a_limit_of_links() {
    let bulb = |number: u8| {
        format!("[[bulb]]\nname = \"Light-{number}\"\naddress = \"C4:11:00:00:00:{number:02X}\"\n")
    };
    let rig = TestRig::new(&format!("[adapter]\nlinks = 1\n{}{}", bulb(1), bulb(2)));
    let radio = rig.heard().await;
    assert_eq!(radio.link_limit(), 1);
    let other = DeviceId::new("C4:11:00:00:00:02");
    let link = radio.connect(&light(), soon()).await.unwrap();
    let error = radio.connect(&other, soon()).await.unwrap_err();
    assert_eq!(error.code(), "connect.limit", "{error}");
    // A link that becomes free in the meantime is enough.
    let (second, ()) = tokio::join!(radio.connect(&other, soon()), async {
        sleep(ms(100)).await;
        drop(link);
    });
    assert!(second.is_ok(), "{second:?}");
}

#[tokio::test(start_paused = true)]
async fn two_places_share_a_bulb_and_each_has_its_own_link() {
    let rig = TestRig::with_bulb("heard = { kitchen = -50, attic = -80 }\n");
    let text = std::fs::read_to_string(&rig.path).unwrap();
    let open = |place: &str| {
        let options = SimOptions { dir: Some(rig.dir.path().join("world")), log: Some(rig.log_path()) };
        bulbctl::radio::sim::open_at(&text, "rig", place, options).unwrap()
    };
    let rssi_at = async |radio: &dyn Radio| {
        let mut seen = radio.seen_devices();
        heard(radio).await;
        seen.try_recv().ok().and_then(|device| device.rssi)
    };
    let (kitchen, attic, cellar) = (open("kitchen"), open("attic"), open("cellar"));
    assert!(rssi_at(kitchen.as_ref()).await.unwrap().abs_diff(-50) <= 3);
    let ours = kitchen.connect(&light(), soon()).await.unwrap();
    assert!(rssi_at(attic.as_ref()).await.unwrap().abs_diff(-80) <= 3, "it still advertises");
    assert_eq!(rssi_at(cellar.as_ref()).await, None);
    let theirs = attic.connect(&light(), soon()).await.unwrap();
    assert!(!theirs.was_up());
    assert_eq!(code(cellar.connect(&light(), Deadline::after(ms(500))).await), "connect.timeout");

    write(theirs.as_ref(), &RED).await.unwrap();
    tokio::time::sleep(ms(300)).await;
    assert_eq!(ours.read(STATUS, soon()).await.unwrap(), RED, "one bulb, one state");
    theirs.disconnect().await.unwrap();
    tokio::time::sleep(ms(300)).await;
    assert_eq!(*ours.state().borrow(), LinkState::Up);
    let log = std::fs::read_to_string(rig.log_path()).unwrap();
    let lines = log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let writers: Vec<_> =
        lines.filter(|line| line["event"] == "write").map(|line| line["place"].clone()).collect();
    assert_eq!(writers, ["attic"]);
}
