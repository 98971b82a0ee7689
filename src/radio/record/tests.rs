use std::io::Cursor;
use std::time::Duration;

use super::*;
use crate::radio::sim::{SimOptions, open as open_sim, open_text};
use crate::radio::trace::{AttOperation, TracedFrame};

const RIG: &str = r#"
rig = 1
[[bulb]]
name = "Light-Anna"
address = "C4:11:00:00:00:01"
"#;
const CONTROL: CharacteristicId = CharacteristicId::short(0xFFF0, 0xFFF1);
const STATUS: CharacteristicId = CharacteristicId::short(0xFFF0, 0xFFF2);
const NOWHERE: CharacteristicId = CharacteristicId::short(0xFFF0, 0xFFF9);

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(5))
}

/// All that a program sees of a radio, with its times.
async fn session(radio: &dyn Radio) -> Vec<String> {
    let began = Instant::now();
    let mut saw = Vec::new();
    let mut see = |what: String| saw.push(format!("{} ms {what}", began.elapsed().as_millis()));
    let mut reports = radio.seen_devices();
    see(format!("{:?}", radio.start_scan().await));
    let report = reports.recv().await.unwrap();
    see(format!("{} {:?} {:?} {:?}", report.id, report.name, report.rssi, report.manufacturer));
    see(format!("{:?}", radio.stop_scan().await));
    see(format!("{:?}", radio.known_devices().await.unwrap().len()));
    see(format!("{:?}", radio.details(&report.id).await));
    let link = radio.connect(&report.id, soon()).await.unwrap();
    see(format!("{:?} {:?} {}", link.table(), link.mtu(), link.was_up()));
    let mut status = link.subscribe(STATUS, soon()).await.unwrap();
    for frame in [[1, 100, 255, 0, 0], [1, 50, 0, 255, 0], [0, 50, 0, 255, 0]] {
        see(format!("{:?}", link.write(CONTROL, &frame, WriteKind::Request, soon()).await));
        see(format!("{:?}", status.recv().await));
    }
    see(format!("{:?}", link.read(STATUS, soon()).await));
    // A failure has to be the same, with its hint and exit code.
    let failure = link.read(NOWHERE, soon()).await.unwrap_err();
    see(format!("{failure} {} {} {:?}", failure.code(), failure.exit_code(), failure.hint()));
    see(format!("{:?}", link.disconnect().await));
    let down = link.state().wait_for(|state| *state == LinkState::Down).await.map(|state| *state);
    see(format!("{down:?}"));
    radio.close().await;
    saw
}

async fn recorded(folder: &Path) -> (PathBuf, Vec<String>) {
    recorded_of(folder, RIG).await
}

async fn recorded_of(folder: &Path, text: &str) -> (PathBuf, Vec<String>) {
    let rig = folder.join("rig.toml");
    std::fs::write(&rig, text).unwrap();
    let options = SimOptions { dir: Some(folder.join("sim")), log: None };
    let path = folder.join("recording.jsonl");
    let recorder = Recorder::create(&path).unwrap();
    let radio = recorder.wrap(open_sim(Some(&rig), options).await.unwrap());
    let saw = session(radio.as_ref()).await;
    drop(radio);
    recorder.finish().await.unwrap();
    (path, saw)
}

#[tokio::test(start_paused = true)]
async fn a_program_sees_the_same_at_the_same_times() {
    let folder = tempfile::tempdir().unwrap();
    let (path, saw) = recorded(folder.path()).await;
    assert!(saw.len() > 14, "{saw:#?}");
    let replay = open(&path).unwrap();
    assert_eq!(session(replay.as_ref()).await, saw, "{}", std::fs::read_to_string(&path).unwrap());
}

#[tokio::test(start_paused = true)]
async fn what_was_not_recorded_is_refused_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let (path, _) = recorded(folder.path()).await;
    let replay = open(&path).unwrap();
    let link = replay.connect(&DeviceId::new("C4:11:00:00:00:01"), soon()).await.unwrap();
    let error = link.write(CONTROL, &[9], WriteKind::Request, soon()).await.unwrap_err();
    assert_eq!(error.code(), "recording.no_answer");
    let text = error.to_string();
    let connect = std::fs::read_to_string(&path).unwrap();
    let connect = 1 + connect.lines().position(|line| line.contains(r#""call":"connect""#)).unwrap();
    assert!(text.contains("`write request fff1 09`") && text.ends_with(&format!("line {connect}")), "{text}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_nobody_waited_for_does_not_hold_forever() {
    let head = r#"{"t":0,"type":"recording","version":1,"program":"p","adapter":"a","address":null,"links":5,"state":"on"}"#;
    let text = format!("{head}\n{}\n", r#"{"t":5,"type":"call","n":0,"call":"connect","device":"X"}"#);
    let radio = replay::radio(Recording::read("r", Cursor::new(text)).unwrap()).unwrap();
    let error = radio.connect(&DeviceId::new("X"), soon()).await.unwrap_err();
    assert_eq!(error.code(), "recording.no_answer");
}

#[tokio::test(start_paused = true)]
async fn nothing_of_whose_it_is_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let (path, saw) = recorded(folder.path()).await;
    let lines = redact(&Recording::load(&path).unwrap()).unwrap();
    let text = lines.join("\n").to_lowercase();
    for secret in ["anna", "c4:11:00:00:00:01", "c41100000001", "0100000011c4", "616e6e61"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    let again = Recording::read("redacted", Cursor::new(lines.join("\n"))).unwrap();
    assert_eq!(redact(&again).unwrap().len(), lines.len());
    // What happens is the same, but for the names.
    let replayed = session(replay::radio(again).unwrap().as_ref()).await;
    let renamed = |line: &String| {
        line.replace("Light-Anna", "Light-1").replace("C4:11:00:00:00:01", "C0:00:00:00:00:01")
    };
    assert_eq!(replayed, saw.iter().map(renamed).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn nothing_of_whose_it_is_is_left_in_bytes() {
    // A bulb that advertises its address in both orders, and its name.
    let name = hex::encode("Light-Anna");
    let secrets = ["c41100000001", "0100000011c4", &name];
    let data = format!("manufacturer = {{ company = 0xffff, data = \"{}\" }}\n", secrets.concat());
    let folder = tempfile::tempdir().unwrap();
    let (path, _) = recorded_of(folder.path(), &format!("{RIG}{data}")).await;
    let before = std::fs::read_to_string(&path).unwrap().to_lowercase();
    let after = redact(&Recording::load(&path).unwrap()).unwrap().join("\n").to_lowercase();
    for (secret, by) in secrets.into_iter().zip(["c00000000001", "0100000000c0", &hex::encode("Light-1")]) {
        assert!(before.contains(secret), "{secret} is not in {before}");
        assert!(!after.contains(secret) && after.contains(by), "{secret} by {by} in {after}");
    }
}

#[tokio::test(start_paused = true)]
async fn lines_that_the_disk_is_too_slow_for_are_counted() {
    let (lines, mut queue) = mpsc::channel(3);
    let log = RecordingLog {
        began: Instant::now(),
        lines: Mutex::new(Some(lines)),
        next: AtomicU32::new(0),
        lost: AtomicU64::new(0),
    };
    let write = || log.write(Event::Adapter { state: AdapterState::On });
    // Three fit, four do not.
    (0..7).for_each(|_| write());
    let mut read = Vec::new();
    while let Ok(line) = queue.try_recv() {
        read.push(line);
    }
    write();
    // The queue is full with the marker and one more, and then two are lost.
    (0..3).for_each(|_| write());
    while let Ok(line) = queue.try_recv() {
        read.push(line);
    }
    write();
    while let Ok(line) = queue.try_recv() {
        read.push(line);
    }
    let event = |state: &str| format!(r#"{{"t":0,"type":"adapter","state":"{state}"}}"#);
    let lost = |lines: u8| format!(r#"{{"t":0,"type":"lost","lines":{lines}}}"#);
    let on = || event("on");
    assert_eq!(read, [on(), on(), on(), lost(4), on(), on(), lost(2), on()]);
    // Such a recording can be played and redacted.
    let head = r#"{"t":0,"type":"recording","version":1,"program":"p","adapter":"a","address":null,"links":5,"state":"on"}"#;
    let text = format!("{head}\n{}", read.join("\n"));
    let recording = Recording::read("r", Cursor::new(text)).unwrap();
    assert!(redact(&recording).unwrap().contains(&lost(4)));
    replay::radio(recording).unwrap();
}

#[test]
fn mistakes_are_told_with_their_line() {
    let head = r#"{"t":5,"type":"recording","version":1,"program":"p","adapter":"a","address":null,"links":5,"state":"on"}"#;
    for (lines, wanted) in [
        (vec![], "it is empty"),
        (vec!["{"], "line 1: EOF while parsing"),
        (
            vec![r#"{"t":1,"type":"adapter","state":"on"}"#],
            "line 1: a recording begins with a line of type recording",
        ),
        (vec![&head.replace(r#""version":1"#, r#""version":2"#)], "line 1: it is of version 2; 1 is what"),
        (vec![head, head], "line 2: a recording begins in the middle"),
        (vec![head, "", "rubbish"], "line 3: expected value"),
        (vec![head, r#"{"t":1,"type":"adapter","state":"on"}"#], "line 2: its time is before"),
        (vec![head, r#"{"t":6,"type":"dropped","n":3}"#], "line 2: no call 3 waits"),
        (vec![head, r#"{"t":6,"type":"link","link":3,"up":true}"#], "line 2: no call 3 has connected"),
        (vec![head, r#"{"t":6,"type":"call","n":1,"call":"fly"}"#], "line 2: unknown variant `fly`"),
        (
            vec![
                head,
                r#"{"t":6,"type":"call","n":1,"call":"known"}"#,
                r#"{"t":6,"type":"call","n":1,"call":"known"}"#,
            ],
            "line 3: there was a call 1",
        ),
        (
            vec![head, r#"{"t":6,"type":"notification","link":1,"characteristic":"fff0","hex":""}"#],
            "line 2: \"fff0\" is no SERVICE/CHARACTERISTIC",
        ),
    ] {
        let text = lines.iter().map(|line| format!("{line}\n")).collect::<String>();
        let error = Recording::read("r", Cursor::new(text)).unwrap_err();
        assert_eq!(error.code(), "recording.invalid");
        assert!(error.to_string().contains(wanted), "{error} is not {wanted}");
    }
    let long = format!("{head}\n{}", "x".repeat(3 << 20));
    let error = Recording::read("r", Cursor::new(long)).unwrap_err();
    assert!(error.to_string().contains("line 2: it is longer than 1048576 bytes"), "{error}");
}

/// Ten thousand recordings with bits flipped, and as many that are cut off besides: an error with its line, or a radio.
#[tokio::test(start_paused = true)]
async fn no_file_breaks_it() {
    let folder = tempfile::tempdir().unwrap();
    let (path, _) = recorded(folder.path()).await;
    let whole = std::fs::read(&path).unwrap();
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        usize::try_from(random % u64::try_from(below).unwrap()).unwrap()
    };
    let (mut taken, mut refused) = (0, 0);
    for round in 0..20_000 {
        let mut bytes = whole.clone();
        for _ in 0..next(4) {
            let place = next(bytes.len());
            bytes[place] ^= 1 << next(8);
        }
        if round % 2 == 0 {
            bytes.truncate(next(bytes.len()));
        }
        match Recording::read("r", Cursor::new(bytes)) {
            Ok(recording) => {
                taken += 1;
                redact(&recording).unwrap();
                // Everything that comes by itself comes.
                let radio = replay::radio(recording).unwrap();
                let _ = radio.start_scan().await;
            }
            Err(error) => {
                refused += 1;
                let text = error.to_string();
                assert!(text.contains("line ") || text.ends_with("it is empty"), "{text}");
            }
        }
    }
    assert!(taken > 500 && refused > 500, "{taken} taken, {refused} refused");
}

/// The virtual radio, with details of its devices.
#[derive(Debug)]
struct Detailed(Arc<dyn Radio>);

fn details() -> DeviceDetails {
    DeviceDetails {
        address_type: Some("random".to_owned()),
        appearance: Some(0x0540),
        flags: Some(vec![6]),
        bonded: Some(true),
        parameters: None,
    }
}

#[async_trait]
impl Radio for Detailed {
    pass_on! {
        0: adapter -> AdapterInfo,
        adapter_state -> watch::Receiver<AdapterState>,
        seen_devices -> broadcast::Receiver<SeenDevice>
    }

    async fn start_scan(&self) -> Result<()> {
        self.0.start_scan().await
    }

    async fn stop_scan(&self) -> Result<()> {
        self.0.stop_scan().await
    }

    async fn known_devices(&self) -> Result<Vec<SeenDevice>> {
        self.0.known_devices().await
    }

    async fn details(&self, _: &DeviceId) -> Result<DeviceDetails> {
        Ok(details())
    }

    async fn connect(&self, device: &DeviceId, deadline: Deadline) -> Result<Arc<dyn Link>> {
        self.0.connect(device, deadline).await
    }

    async fn close(&self) {
        self.0.close().await;
    }
}

const ANNA: &str = "C4:11:00:00:00:01";

#[tokio::test(start_paused = true)]
async fn details_are_replayed_as_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("recording.jsonl");
    let recorder = Recorder::create(&path).unwrap();
    let options = SimOptions { dir: Some(folder.path().join("sim")), log: None };
    let sim = open_text(RIG, "rig.toml", options).unwrap();
    let radio = recorder.wrap(Arc::new(Detailed(sim)));
    let anna = DeviceId::new(ANNA);
    assert_eq!(radio.details(&anna).await, Ok(details()));
    drop(radio);
    recorder.finish().await.unwrap();
    let replay = open(&path).unwrap();
    assert_eq!(replay.details(&anna).await, Ok(details()));
}

#[tokio::test(start_paused = true)]
async fn a_link_that_is_kept_stays_up_while_it_is_recorded() {
    for kept in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let recorder = Recorder::create(&folder.path().join("recording.jsonl")).unwrap();
        let options = SimOptions { dir: Some(folder.path().join("sim")), log: None };
        let radio = recorder.wrap(open_text(RIG, "rig.toml", options).unwrap());
        let anna = DeviceId::new(ANNA);
        let mut seen = radio.seen_devices();
        radio.start_scan().await.unwrap();
        seen.recv().await.unwrap();
        radio.stop_scan().await.unwrap();
        let link = radio.connect(&anna, soon()).await.unwrap();
        if kept {
            link.keep();
        }
        drop(link);
        assert_eq!(radio.connect(&anna, soon()).await.unwrap().was_up(), kept);
    }
}

const HEAD: &str = r#"{"t":0,"type":"recording","version":1,"program":"p","adapter":"a","address":null,"links":5,"state":"on"}"#;

#[test]
fn the_last_line_may_be_incomplete() {
    let whole = r#"{"t":1,"type":"adapter","state":"off"}"#;
    for (last, lines) in [(&whole[..20], 1), (&whole[..1], 1), ("", 1), (whole, 2)] {
        let recording = Recording::read("r", Cursor::new(format!("{HEAD}\n{last}")));
        assert_eq!(recording.unwrap().lines.len(), lines, "{last:?}");
    }
}

/// macOS has no addresses: its devices are UUIDs.
#[test]
fn identifiers_of_macos_are_replaced_in_their_order() {
    let ids = ["5d1b3a0c-0f6e-4a53-9d0e-000000000007", "0f0e0d0c-0b0a-4908-8706-000000000008"];
    let calls = (0..)
        .zip([ids[0], ids[1], ids[0]])
        .map(|(n, id)| format!(r#"{{"t":1,"type":"call","n":{n},"call":"connect","device":"{id}"}}"#));
    let text = [HEAD.to_owned()].into_iter().chain(calls).collect::<Vec<_>>().join("\n");
    let lines = redact(&Recording::read("r", Cursor::new(text)).unwrap()).unwrap();
    let new = |number: u128| format!(r#""device":"{}""#, uuid::Uuid::from_u128(number));
    for (line, number) in lines[1..].iter().zip([1, 2, 1]) {
        assert!(line.contains(&new(number)), "{line}");
    }
}

#[test]
fn frames_become_a_recording_that_subscribes_to_what_notified() {
    let device = |id: &str| SeenDevice { id: DeviceId::new(id), ..SeenDevice::default() };
    let other = "C4:11:00:00:00:02";
    let devices =
        [ANNA, other].map(|id| TracedDevice { device: device(id), table: None, subscribed: vec![] });
    let frame = |id: &str, operation, characteristic| TracedFrame {
        at: Instant::now(),
        time: std::time::SystemTime::UNIX_EPOCH,
        device: DeviceId::new(id),
        operation,
        characteristic,
        bytes: vec![1],
        decoded: None,
    };
    let frames = [
        frame(ANNA, AttOperation::Write(WriteKind::Request), CONTROL),
        frame(ANNA, AttOperation::Notification, STATUS),
        frame(other, AttOperation::Read, STATUS),
    ];
    let lines = from_frames("sim", &devices, &frames.iter().collect::<Vec<_>>());
    let recording = Recording::read("r", Cursor::new(lines.join("\n"))).unwrap();
    let calls: Vec<_> = recording
        .lines
        .into_iter()
        .filter_map(|(_, line)| match line.event {
            Event::Call { call: Call::Subscribe { link, characteristic }, .. } => {
                Some((link, characteristic))
            }
            _ => None,
        })
        .collect();
    // The calls before are to list, to start and to stop.
    assert_eq!(calls, [(3, STATUS)]);
}
