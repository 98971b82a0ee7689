//! Faults of a rig: the error, its time, and what is left behind.

use tokio::time::{Instant, sleep, timeout};

use super::*;

fn fault(on: &str, what: &str) -> TestRig {
    TestRig::with_bulb(&format!("[[bulb.fault]]\non = \"{on}\"\n{what}"))
}

async fn connect(rig: &TestRig) -> (Result<Arc<dyn Link>>, Duration) {
    let radio = rig.heard().await;
    let start = Instant::now();
    let result = radio.connect(&light(), soon()).await;
    (result, start.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_bulb_that_drops_the_connection_is_tried_four_times() {
    for point in ["connect", "discover"] {
        let rig = fault(point, "do = \"drop\"");
        let (result, waited) = connect(&rig).await;
        assert_eq!(code(result), "connect.failed", "{point}");
        // Four times 60 ms, and 150, 300 and 600 ms between, or up to a quarter less.
        assert!((ms(4 * 60 + 787)..=ms(4 * 60 + 1050)).contains(&waited), "{point}: {waited:?}");
        assert_eq!(rig.log(), ["connect", "disconnect bulb"].repeat(4), "{point}");
        let rig = fault(point, "do = \"drop\"\ncount = 3");
        assert!(connect(&rig).await.0.is_ok(), "{point}");
    }
}

#[tokio::test(start_paused = true)]
async fn attempts_end_with_the_deadline() {
    let radio = fault("connect", "do = \"drop\"").heard().await;
    let deadline = Deadline::after(ms(400));
    assert_eq!(code(radio.connect(&light(), deadline).await), "connect.failed");
    assert!(deadline.waited() <= ms(400));
}

#[tokio::test(start_paused = true)]
async fn a_bulb_that_never_answers_a_connect() {
    let rig = fault("connect", "do = \"silent\"");
    let (result, waited) = connect(&rig).await;
    let error = result.unwrap_err();
    assert!(
        matches!(&error, Error::ConnectTimeout { device, rssi: Some(-63..=-57), .. } if device == "Light"),
        "{error}"
    );
    assert_eq!(waited, ms(5000));
    assert_eq!(rig.log(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn the_last_signal_is_told_and_that_it_is_weak() {
    for (rssi, weak) in [(-60, false), (-82, false), (-95, true)] {
        let rig = TestRig::new(&format!(
            "[[bulb]]\nname = \"Light\"\naddress = \"C4:11:00:00:00:01\"\nrssi = {rssi}\n\
             [[bulb.fault]]\non = \"connect\"\ndo = \"silent\"\n"
        ));
        let text = connect(&rig).await.0.unwrap_err().to_string();
        let told = text.split("last seen at ").nth(1).unwrap();
        let signal: i16 = told.split(' ').next().unwrap().parse().unwrap();
        assert!((rssi - 3..=rssi + 3).contains(&signal), "{text}");
        assert_eq!(told.contains(" dBm, weak)"), weak, "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_bulb_that_never_resolves_its_services_is_let_go() {
    let rig = fault("discover", "do = \"silent\"");
    let (result, waited) = connect(&rig).await;
    assert_eq!((code(result), waited), ("discover.timeout", ms(5000)));
    assert_eq!(rig.log(), ["connect", "disconnect central"]);
}

#[tokio::test(start_paused = true)]
async fn a_connect_that_is_given_up_leaves_nothing_behind() {
    for (point, log) in [("connect", &[][..]), ("discover", &["connect", "disconnect central"])] {
        let rig = fault(point, "do = \"silent\"\ncount = 1");
        let radio = rig.heard().await;
        assert!(timeout(ms(500), radio.connect(&light(), soon())).await.is_err());
        assert_eq!(rig.log(), log, "{point}");
        assert!(!radio.known_devices().await.unwrap()[0].connected, "{point}");
        radio.connect(&light(), soon()).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn slow_connects() {
    for point in ["connect", "discover"] {
        let (result, waited) = connect(&fault(point, "do = \"delay\"\nfor = \"2s\"")).await;
        assert!(result.is_ok());
        assert_eq!(waited, ms(2060), "{point}");
        let (result, waited) = connect(&fault(point, "do = \"delay\"\nfor = \"6s\"")).await;
        assert_eq!(result.unwrap_err().exit_code(), 6, "{point}");
        assert_eq!(waited, ms(5000), "{point}");
    }
}

#[tokio::test(start_paused = true)]
async fn services_may_take_as_long_as_there_is_time() {
    for seconds in [6, 12, 29] {
        let radio = fault("discover", &format!("do = \"delay\"\nfor = \"{seconds}s\"")).heard().await;
        let start = Instant::now();
        let link = radio.connect(&light(), Deadline::after(ms(30_000))).await.unwrap();
        assert_eq!(start.elapsed(), ms(seconds * 1000 + 60));
        assert_eq!(link.read(STATUS, soon()).await.unwrap(), START);
    }
    let rig = fault("discover", "do = \"delay\"\nfor = \"31s\"");
    let radio = rig.heard().await;
    let result = radio.connect(&light(), Deadline::after(ms(30_000))).await;
    assert_eq!(code(result), "discover.timeout");
    assert_eq!(rig.log(), ["connect", "disconnect central"]);
}

#[tokio::test(start_paused = true)]
async fn nobody_connects_to_a_stranger_or_to_a_bulb_that_has_gone() {
    let rig = "[[bulb]]\naddress = \"C4:11:00:00:00:01\"\n[[bystander]]\naddress = \"C4:11:00:00:00:F1\"\n\
               [[event]]\nat = \"1500ms\"\nbulb = \"C4:11:00:00:00:01\"\ndo = \"vanish\"";
    let radio = TestRig::new(rig).open().await;
    assert_eq!(code(radio.connect(&light(), soon()).await), "connect.failed");
    heard(radio.as_ref()).await;
    let stranger = DeviceId::new("C4:11:00:00:00:F1");
    assert_eq!(code(radio.connect(&stranger, Deadline::after(ms(1000))).await), "connect.timeout");
    assert_eq!(code(radio.connect(&light(), soon()).await), "connect.timeout");
    for text in ["C4:11:00:00:00:99", "no address"] {
        assert_eq!(code(radio.connect(&DeviceId::new(text), soon()).await), "connect.failed");
    }
}

#[tokio::test(start_paused = true)]
async fn a_bulb_that_comes_back_in_time_is_connected() {
    let event =
        |at: &str, what: &str| format!("[[event]]\nat = \"{at}\"\nbulb = \"{LIGHT}\"\ndo = \"{what}\"\n");
    let rig = TestRig::with_bulb(&[event("1100ms", "vanish"), event("3s", "appear")].concat());
    let (result, waited) = connect(&rig).await;
    assert!(result.is_ok());
    assert!((ms(1850)..ms(2050)).contains(&waited), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn two_who_connect_at_once_share_the_link() {
    for point in ["connect", "discover"] {
        let rig = fault(point, "do = \"delay\"\nfor = \"100ms\"\ncount = 1");
        let radio = rig.heard().await;
        let id = light();
        let (first, second) = tokio::join!(radio.connect(&id, soon()), radio.connect(&id, soon()));
        let (first, second) = (first.unwrap(), second.unwrap());
        assert!(!first.was_up() && !second.was_up());
        drop(first);
        assert_eq!(second.read(STATUS, soon()).await.unwrap(), START);
        drop(second);
        assert_eq!(rig.log(), ["connect", "read fff2", "disconnect central"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_link_that_is_held_is_not_resolved_again() {
    let rig = fault("discover", "do = \"silent\"\ncount = 1");
    let radio = rig.heard().await;
    assert_eq!(code(radio.connect(&light(), Deadline::after(ms(200))).await), "discover.timeout");
    radio.connect(&light(), soon()).await.unwrap().keep();
    let start = Instant::now();
    assert!(radio.connect(&light(), soon()).await.unwrap().was_up());
    assert!(start.elapsed() < ms(2));
}

#[tokio::test(start_paused = true)]
async fn an_adapter_that_goes_off_ends_a_connect() {
    let rig = TestRig::with_bulb(
        "[[bulb.fault]]\non = \"connect\"\ndo = \"silent\"\n[[event]]\nat = \"2s\"\nadapter = \"off\"",
    );
    let (result, waited) = connect(&rig).await;
    assert_eq!(code(result), "adapter.lost");
    assert!(waited < ms(1000));
}

async fn operate(link: &dyn Link, point: &str) -> Result<()> {
    match point {
        "read" => link.read(STATUS, soon()).await.map(|_| ()),
        "write" => write(link, &RED).await,
        _ => link.subscribe(STATUS, soon()).await.map(|_| ()),
    }
}

#[tokio::test(start_paused = true)]
async fn faults_of_each_operation() {
    let after = Duration::from_secs;
    for point in ["read", "write", "subscribe"] {
        for (what, expected, waited) in [
            ("do = \"drop\"", "link.lost", after(0)),
            ("do = \"silent\"", "bulb.timeout", after(5)),
            ("do = \"delay\"\nfor = \"6s\"", "bulb.timeout", after(5)),
            ("do = \"error\"\natt = 0x0e", "bulb.refused", after(0)),
            ("do = \"error\"\natt = 0x82", "bulb.refused", after(0)),
            ("do = \"error\"\natt = 0x05", "bulb.needs_pairing", after(0)),
            ("do = \"error\"\natt = 0x06", "bulb.unsupported", after(0)),
        ] {
            let rig = fault(point, what);
            let (_radio, link) = connected(&rig).await;
            let start = Instant::now();
            assert_eq!(code(operate(link.as_ref(), point).await), expected, "{point} {what}");
            assert_eq!(start.elapsed(), waited, "{point} {what}");
        }
        let rig = fault(point, "do = \"delay\"\nfor = \"2s\"");
        let (_radio, link) = connected(&rig).await;
        let start = Instant::now();
        operate(link.as_ref(), point).await.unwrap();
        assert_eq!(start.elapsed(), after(2), "{point}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_subscription_that_failed_gives_nothing_and_can_be_tried_again() {
    let rig = fault("subscribe", "do = \"error\"\natt = 0x0e\ncount = 1");
    let (_radio, link) = connected(&rig).await;
    assert_eq!(code(link.subscribe(STATUS, soon()).await), "bulb.refused");
    write(link.as_ref(), &RED).await.unwrap();
    sleep(ms(100)).await;
    let mut status = link.subscribe(STATUS, soon()).await.unwrap();
    write(link.as_ref(), &START).await.unwrap();
    assert_eq!(status.recv().await.unwrap(), START);
}

#[tokio::test(start_paused = true)]
async fn faults_of_notifications_and_replies() {
    let rig = fault("notify", "do = \"reply\"\nbytes = \"0164ff00\"\ncount = 1");
    let (_radio, link) = connected(&rig).await;
    let mut status = link.subscribe(STATUS, soon()).await.unwrap();
    write(link.as_ref(), &RED).await.unwrap();
    assert_eq!(status.recv().await.unwrap(), [1, 0x64, 255, 0]);
    write(link.as_ref(), &RED).await.unwrap();
    assert_eq!(status.recv().await.unwrap(), RED);

    let rig = fault("notify", "do = \"drop\"");
    let (_radio, link) = connected(&rig).await;
    let mut status = link.subscribe(STATUS, soon()).await.unwrap();
    write(link.as_ref(), &RED).await.unwrap();
    assert!(status.recv().await.is_err());
    assert_eq!(code(link.read(STATUS, soon()).await), "link.lost");

    let rig = fault("read", "do = \"reply\"\nbytes = \"ff\"\ncharacteristic = \"fff2\"");
    let (_radio, link) = connected(&rig).await;
    assert_eq!(link.read(STATUS, soon()).await.unwrap(), [0xff]);
}
