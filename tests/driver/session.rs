//! What counts as confirmed, and what is only assumed.

use std::sync::Arc;
use std::time::Duration;

use bulb_protocol::profile::{Feature, Features, Light};
use bulb_protocol::{Percent, Rgb};
use bulbctl::bulb::{Change, Families, Power, Provenance, Session};
use bulbctl::radio::sim::{self, SimOptions};
use bulbctl::radio::{Deadline, Radio};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

const LINE: &str = "[[bulb.fault]]\non = \"notify\"\n";
const TIME: Duration = Duration::from_secs(10);

struct Bulb {
    session: Session,
    _radio: Arc<dyn Radio>,
    dir: TempDir,
}

impl Bulb {
    /// Opens a session with a bulb of tests/driver/split.toml, which is off and at 50 %.
    async fn split(variant: &str, faults: &str) -> Self {
        let dir = TempDir::new().unwrap();
        std::fs::write(dir.path().join("split.toml"), include_str!("split.toml")).unwrap();
        let profile = format!("./split.toml{variant}");
        let file = dir.path().join("split.toml").to_string_lossy().into_owned() + variant;
        let text = format!("[[bulb]]\nprofile = \"{profile}\"\naddress = \"C4:11:00:00:00:01\"\n{faults}");
        Self::open(dir, &text, &file).await
    }

    async fn open(dir: TempDir, text: &str, profile: &str) -> Self {
        let rig = dir.path().join("rig.toml");
        std::fs::write(&rig, format!("rig = 1\n{text}")).unwrap();
        let options = SimOptions { dir: Some(dir.path().join("world")), log: Some(dir.path().join("log")) };
        let radio = sim::open(Some(&rig), options).await.unwrap();
        let mut seen = radio.seen_devices();
        radio.start_scan().await.unwrap();
        let device = seen.recv().await.unwrap();
        radio.stop_scan().await.unwrap();
        let link = radio.connect(&device.id, Deadline::after(TIME)).await.unwrap();
        let families = Families::default().with_profile(profile).unwrap();
        let mut session = Session::open(link, &device, &families, Deadline::after(TIME)).await.unwrap();
        session.prepare(Deadline::after(TIME)).await.unwrap();
        Self { session, _radio: radio, dir }
    }

    fn written(&self) -> Vec<String> {
        super::writes(&self.dir.path().join("log"))
    }
}

fn light(power: Option<bool>, brightness: Option<u8>) -> Light {
    Light { power, brightness: brightness.map(Percent::clamped), ..Light::default() }
}

#[tokio::test(start_paused = true)]
async fn a_session_writes_the_keep_alive_frame_until_it_ends() {
    let mut bulb = Bulb::split(":asked", "idle_drop = \"5s\"\n").await;
    bulb.session.keep_alive();
    sleep(Duration::from_secs(61)).await;
    assert_eq!(bulb.written(), ["aa"; 30]);
    let Bulb { session, dir, _radio } = bulb;
    drop(session);
    sleep(Duration::from_secs(10)).await;
    assert_eq!(super::writes(&dir.path().join("log")).len(), 30);
}

#[tokio::test(start_paused = true)]
async fn a_notification_from_before_a_write_does_not_confirm_it() {
    // Somebody else sets the bulb to 30 % and back. Then our write of 30 % is lost.
    let event = |at: u8, brightness: u8| {
        format!(
            "[[event]]\nat = \"{at}s\"\nbulb = \"C4:11:00:00:00:01\"\ndo = \"set\"\nbrightness = {brightness}\n"
        )
    };
    let lost = "[[bulb.fault]]\non = \"write\"\ndo = \"lose\"\n";
    let text = format!("{}{lost}{}{}", super::BULB.replace("rig = 1\n", ""), event(20, 30), event(21, 80));
    let mut bulb = Bulb::open(TempDir::new().unwrap(), &text, "base").await;
    bulb.session.read_state(Deadline::after(TIME)).await.unwrap();
    sleep(Duration::from_secs(30)).await;
    let change = Change::from(light(None, Some(30)));
    let outcome = bulb.session.apply(&change, Deadline::after(TIME)).await.unwrap();
    assert_eq!(outcome.confirmed, Some(false));
    assert_eq!(outcome.state.light.brightness, Some(Percent::clamped(80)), "the bulb says what it is");
}

#[tokio::test(start_paused = true)]
async fn a_value_that_was_written_after_the_last_report_is_assumed() {
    // The answers of the first read come, then none with the brightness.
    let faults = format!("{LINE}do = \"reply\"\nbytes = \"8101\"\nafter = 2\n");
    let mut bulb = Bulb::split(":asked", &faults).await;
    let state = bulb.session.read_state(Deadline::after(TIME)).await.unwrap();
    assert_eq!((state.provenance, state.assumed), (Provenance::Reported, Features::NONE));
    let change = Change::from(light(Some(true), Some(30)));
    let outcome = bulb.session.apply(&change, Deadline::after(TIME)).await.unwrap();
    assert_eq!(outcome.state.light.brightness, Some(Percent::clamped(30)));
    assert_eq!(outcome.state.assumed, Features::NONE.with(Feature::Brightness));
}

#[tokio::test(start_paused = true)]
async fn a_part_of_a_change_does_not_confirm_it() {
    // Its status of the brightness never changes.
    let stuck = format!("{LINE}do = \"reply\"\nbytes = \"8232\"\nafter = 1\n");
    let mut bulb = Bulb::split("", &stuck).await;
    let change = Change::from(light(Some(true), Some(30)));
    let outcome = bulb.session.apply(&change, Deadline::after(TIME)).await.unwrap();
    assert_eq!(outcome.confirmed, Some(false));
    assert_eq!(outcome.state.light.brightness, Some(Percent::clamped(50)));
}

#[tokio::test(start_paused = true)]
async fn a_part_that_was_not_notified_is_asked_for() {
    // Two commands, two notifications each: the brightness of both is lost.
    let lost = |after: u8| format!("{LINE}do = \"lose\"\nafter = {after}\ncount = 1\n");
    let mut bulb = Bulb::split("", &format!("{}{}", lost(1), lost(2))).await;
    let change = Change::from(light(Some(true), Some(30)));
    let outcome = bulb.session.apply(&change, Deadline::after(TIME)).await.unwrap();
    assert_eq!(outcome.confirmed, Some(true));
    assert_eq!(bulb.written(), ["0101", "021e", "81", "82"]);
    assert_eq!((outcome.state.provenance, outcome.state.assumed), (Provenance::Reported, Features::NONE));
}

#[tokio::test(start_paused = true)]
async fn a_slow_bulb_is_asked_again() {
    // Its first answer after the command is the state from before.
    let slow = format!("{LINE}do = \"reply\"\nbytes = \"8100\"\ncount = 1\n");
    let mut bulb = Bulb::split(":asked", &slow).await;
    let change = Change::from(light(Some(true), None));
    let outcome = bulb.session.apply(&change, Deadline::after(TIME)).await.unwrap();
    assert_eq!(outcome.confirmed, Some(true));
    assert_eq!(bulb.written(), ["0101", "81", "82", "81", "82"]);
}

#[tokio::test(start_paused = true)]
async fn a_fade_is_spread_over_its_time() {
    let mut bulb = Bulb::open(TempDir::new().unwrap(), &super::BULB.replace("rig = 1\n", ""), "base").await;
    let dim = light(Some(true), Some(20));
    let outcome = bulb.session.fade(&dim, Duration::from_secs(4), Deadline::after(TIME)).await.unwrap();
    assert_eq!(outcome.confirmed, Some(true));
    let log = std::fs::read_to_string(bulb.dir.path().join("log")).unwrap();
    let records = log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let writes: Vec<_> = records
        .filter(|record| record["event"] == "write")
        .map(|record| {
            let percent = u8::from_str_radix(&record["hex"].as_str().unwrap()[2..4], 16).unwrap();
            (record["ms"].as_u64().unwrap(), percent)
        })
        .collect();
    let start = writes[0].0;
    let (half, _) = writes.iter().find(|(_, percent)| *percent <= 50).unwrap();
    assert!((1900..=2100).contains(&(half - start)), "{writes:?}");
    assert_eq!(writes.last().unwrap().1, 20);
}

#[tokio::test(start_paused = true)]
async fn a_fade_switches_on_only_a_bulb_that_is_off() {
    let mut bulb = Bulb::split("", "power = true\n").await;
    let fade = light(Some(true), Some(53));
    bulb.session.fade(&fade, Duration::from_millis(200), Deadline::after(TIME)).await.unwrap();
    let switched = bulb.written().iter().filter(|frame| *frame == "0101").count();
    // With the last value.
    assert_eq!(switched, 1, "{:?}", bulb.written());
}

#[tokio::test(start_paused = true)]
async fn of_two_bad_answers_the_malformed_one_is_told() {
    for (first, second) in [("7a", "8109"), ("8109", "7a")] {
        let reply = |hex: &str| format!("{LINE}do = \"reply\"\nbytes = \"{hex}\"\ncount = 1\n");
        let mut bulb = Bulb::split(":asked", &format!("{}{}", reply(first), reply(second))).await;
        let error = bulb.session.read_state(Deadline::after(TIME)).await.unwrap_err();
        assert!(error.to_string().contains("81 09"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_known_is_not_asked_for_again_before_a_toggle_or_a_step() {
    let mut bulb = Bulb::split(":asked", "").await;
    bulb.session.read_state(Deadline::after(TIME)).await.unwrap();
    let toggle = Change::power(Power::Toggle);
    bulb.session.apply(&toggle, Deadline::after(TIME)).await.unwrap();
    assert_eq!(bulb.written()[..3], ["81", "82", "0101"]);
    // Such a bulb does not say that somebody else has changed it.
    let brighter = Change { steps: [(Feature::Brightness, 10)].into(), ..Change::default() };
    let before = bulb.written().len();
    bulb.session.apply(&brighter, Deadline::after(TIME)).await.unwrap();
    assert_eq!(bulb.written()[before..][..3], ["81", "82", "023c"]);
    let mut bulb = Bulb::split(":told", "").await;
    bulb.session.read_state(Deadline::after(TIME)).await.unwrap();
    bulb.session.apply(&brighter, Deadline::after(TIME)).await.unwrap();
    assert_eq!(bulb.written(), ["81", "82", "023c"]);
}

#[tokio::test(start_paused = true)]
async fn the_rest_of_the_state_is_read_after_a_command_of_a_part() {
    let mut bulb = Bulb::split("", "").await;
    let outcome = bulb.session.apply(&Change::power(Power::On), Deadline::after(TIME)).await.unwrap();
    assert_eq!((outcome.confirmed, outcome.state.light.brightness), (Some(true), Some(Percent::clamped(50))));
    assert_eq!(bulb.written(), ["0101", "81", "82"]);
}

#[tokio::test(start_paused = true)]
async fn what_a_bulb_never_reports_is_neither_confirmed_nor_missed() {
    let mut bulb = Bulb::split(":half", "").await;
    let outcome =
        bulb.session.apply(&Change::from(light(None, Some(30))), Deadline::after(TIME)).await.unwrap();
    assert_eq!(outcome.confirmed, None);
    assert_eq!(outcome.state.assumed, Features::NONE.with(Feature::Brightness));
}

#[tokio::test(start_paused = true)]
async fn an_expected_state_is_found_at_once_and_asked_for_once() {
    for variant in ["", ":asked"] {
        let mut bulb = Bulb::split(variant, "power = true\n").await;
        let start = Instant::now();
        bulb.session.expect(&light(Some(true), Some(50)), TIME, Deadline::after(TIME)).await.unwrap();
        assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
        assert_eq!(bulb.written(), ["81", "82"]);
    }
    let mut bulb = Bulb::split(":told", "power = true\n").await;
    let error = bulb
        .session
        .expect(&light(Some(false), None), Duration::from_secs(3), Deadline::after(TIME))
        .await
        .unwrap_err();
    assert_eq!(error.code(), "expect.failed");
    assert_eq!(bulb.written(), ["81", "82"], "it would have told");
}

/// Zengge's bulbs show 50 % red as a darker red.
#[tokio::test(start_paused = true)]
async fn an_expected_colour_is_that_of_the_bulb_at_any_brightness() {
    let text = "[[bulb]]\nprofile = \"zengge\"\naddress = \"C4:11:00:00:00:01\"\ncolor = \"#ff0000\"\nbrightness = 50\n";
    let mut bulb = Bulb::open(TempDir::new().unwrap(), text, "zengge").await;
    let red = Light { color: Some(Rgb::new(255, 0, 0)), ..Light::default() };
    bulb.session.expect(&red, Duration::from_secs(1), Deadline::after(TIME)).await.unwrap();
    let green = Light { color: Some(Rgb::new(0, 255, 0)), ..Light::default() };
    assert!(bulb.session.expect(&green, Duration::from_secs(1), Deadline::after(TIME)).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_bulb_that_never_reports_is_not_faded_and_nothing_is_expected_of_it() {
    let text = "[[bulb]]\nprofile = \"elk\"\naddress = \"C4:11:00:00:00:01\"\n";
    let mut bulb = Bulb::open(TempDir::new().unwrap(), text, "elk").await;
    assert!(!bulb.session.reports_state());
    let dim = light(None, Some(20));
    let faded = bulb.session.fade(&dim, TIME, Deadline::after(TIME)).await;
    assert_eq!(faded.unwrap_err().code(), "bulb.write_only");
    let expected = bulb.session.expect(&dim, TIME, Deadline::after(TIME)).await;
    assert_eq!(expected.unwrap_err().code(), "bulb.write_only");
    assert!(bulb.written().is_empty());
}

/// A bulb that answers late needs its rest after that.
#[tokio::test(start_paused = true)]
async fn the_distance_of_writes_is_from_the_answer_to_the_next() {
    let text = "[[bulb]]\nprofile = \"avea\"\naddress = \"C4:11:00:00:00:01\"\n[[bulb.fault]]\non = \"write\"\ndo = \"delay\"\nfor = \"1s\"\n";
    let mut bulb = Bulb::open(TempDir::new().unwrap(), text, "avea").await;
    let start = Instant::now();
    bulb.session.read_state(Deadline::after(TIME)).await.unwrap();
    let questions = u32::try_from(bulb.written().len()).unwrap();
    assert!(questions > 1);
    let least = Duration::from_secs(1) * questions + Duration::from_millis(200) * (questions - 1);
    assert!(start.elapsed() >= least, "{:?} for {:?}", start.elapsed(), bulb.written());
}
