//! Sessions of the desk on the sim radio and the paused clock.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bulbctl::error::Error;
use bulbctl::radio::sim::{self, SimOptions};
use bulbctl::tui::{Desk, Event, Options, Setup, view};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use futures::FutureExt;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use tempfile::TempDir;

/// Opens a desk on a rig. Opening the radio fails this many times first.
async fn desk(dir: &TempDir, rig: &str, failures: usize) -> Desk {
    Desk::open(setup(dir, rig, failures).await, Options::default())
}

async fn setup(dir: &TempDir, rig: &str, failures: usize) -> Setup {
    let path = dir.path().join("rig.toml");
    std::fs::write(&path, rig).unwrap();
    let options = SimOptions { dir: Some(dir.path().join("world")), log: Some(dir.path().join("log")) };
    let radio = sim::open(Some(&path), options).await.unwrap();
    let left = std::sync::atomic::AtomicUsize::new(failures);
    let open = move || {
        let fails = left
            .fetch_update(std::sync::atomic::Ordering::SeqCst, std::sync::atomic::Ordering::SeqCst, |left| {
                left.checked_sub(1)
            })
            .is_ok();
        let radio = radio.clone();
        async move { if fails { Err(Error::ServiceDown) } else { Ok(radio) } }.boxed()
    };
    Setup::new(Arc::new(open), Arc::default(), Duration::from_secs(10))
}

fn screen(desk: &Desk) -> String {
    let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
    terminal.draw(|frame| view(&desk.model, frame)).unwrap();
    terminal.backend().to_string()
}

async fn press(desk: &mut Desk, keys: &[KeyCode]) {
    for &key in keys {
        let _ = desk.handle(Event::Key(KeyEvent::new(key, KeyModifiers::NONE)));
        desk.run_for(Duration::from_millis(5)).await.unwrap();
    }
}

async fn pass(desk: &mut Desk, ms: u64) {
    desk.run_for(Duration::from_millis(ms)).await.unwrap();
}

fn writes(log: &Path) -> Vec<String> {
    let log = std::fs::read_to_string(log).unwrap();
    let records = log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    records.filter(|r| r["event"] == "write").map(|r| r["hex"].as_str().unwrap().to_owned()).collect()
}

const TWO: &str = include_str!("two-bulbs.toml");

#[tokio::test(start_paused = true)]
async fn from_scan_to_quit() {
    let dir = TempDir::new().unwrap();
    let mut desk = desk(&dir, TWO, 0).await;
    pass(&mut desk, 3000).await;
    assert!(screen(&desk).contains("scanning") && screen(&desk).contains("Light-Shelf"), "{}", screen(&desk));
    press(&mut desk, &[KeyCode::Enter]).await;
    pass(&mut desk, 1000).await;
    let shown = screen(&desk);
    assert!(
        shown.contains("● connected") && shown.contains("on  80 %") && shown.contains("reported"),
        "{shown}"
    );
    assert!(shown.contains("87 %") && shown.contains("scanning"), "{shown}");
    // A held key repeats every 5 ms, the bulb accepts a write every 20 ms. The last value arrives.
    press(&mut desk, &[KeyCode::Enter, KeyCode::Down]).await;
    press(&mut desk, &[KeyCode::Left; 50]).await;
    pass(&mut desk, 500).await;
    assert!(screen(&desk).contains("on  30 %") && screen(&desk).contains("reported"), "{}", screen(&desk));
    let sent = writes(&dir.path().join("log"));
    assert_eq!(sent.last().map(String::as_str), Some("011eff8800"));
    assert!((5..=20).contains(&sent.len()), "{} writes for 50 keys", sent.len());
    press(&mut desk, &[KeyCode::Char('3')]).await;
    assert!(screen(&desk).contains("011eff8800"), "{}", screen(&desk));
    press(&mut desk, &[KeyCode::Char('d')]).await;
    pass(&mut desk, 500).await;
    press(&mut desk, &[KeyCode::Char('1')]).await;
    assert!(screen(&desk).contains("not connected"), "{}", screen(&desk));
    desk.close().await;
    let log = std::fs::read_to_string(dir.path().join("log")).unwrap();
    assert!(log.contains("\"disconnect\""), "{log}");
}

#[tokio::test(start_paused = true)]
async fn bulbs_wait_their_turn_for_a_link() {
    let dir = TempDir::new().unwrap();
    // The user's limit, and that of the adapter.
    for (rig, max_links) in [(TWO.to_owned(), Some(1)), (format!("{TWO}\n[adapter]\nlinks = 1\n"), None)] {
        let setup = Setup { max_links, ..setup(&dir, &rig, 0).await };
        let mut desk = Desk::open(setup, Options::default());
        pass(&mut desk, 2000).await;
        press(&mut desk, &[KeyCode::Char('M'), KeyCode::Enter]).await;
        pass(&mut desk, 60_000).await;
        let shown = screen(&desk);
        assert!(shown.contains("1 connected  1 waits for a link"), "{shown}");
        assert!(!shown.contains("connect.limit"), "{shown}");
        press(&mut desk, &[KeyCode::Char('M'), KeyCode::Down]).await;
        let shown = screen(&desk);
        assert!(shown.contains("◔ waits: the only link in use"), "{shown}");
        // The other one gives up its link.
        press(&mut desk, &[KeyCode::Up, KeyCode::Char('d')]).await;
        pass(&mut desk, 1000).await;
        let shown = screen(&desk);
        assert!(shown.contains("1 connected  2 of"), "{shown}");
        press(&mut desk, &[KeyCode::Down]).await;
        assert!(screen(&desk).contains("● connected"), "{}", screen(&desk));
        desk.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_link_that_drops_is_shown_at_once_and_made_again() {
    let dir = TempDir::new().unwrap();
    let rig = format!("{TWO}\n[[event]]\nat = \"6s\"\nbulb = \"C4:11:00:00:00:01\"\ndo = \"drop\"\n");
    let mut desk = desk(&dir, &rig, 0).await;
    pass(&mut desk, 2000).await;
    press(&mut desk, &[KeyCode::Enter]).await;
    pass(&mut desk, 3800).await;
    assert!(screen(&desk).contains("● connected"));
    pass(&mut desk, 300).await;
    let shown = screen(&desk);
    assert!(shown.contains("link.lost") && shown.contains("↻ retry in 1 s"), "{shown}");
    assert!(shown.contains("state unknown"), "{shown}");
    pass(&mut desk, 2500).await;
    let shown = screen(&desk);
    assert!(
        shown.contains("● connected") && shown.contains("reported") && shown.contains("lost 1×"),
        "{shown}"
    );
    desk.close().await;
}

#[tokio::test(start_paused = true)]
async fn an_adapter_that_goes_off_is_a_banner_and_goes_on_by_itself() {
    let dir = TempDir::new().unwrap();
    let rig = format!(
        "{TWO}\n[[event]]\nat = \"5s\"\nadapter = \"off\"\n[[event]]\nat = \"9s\"\nadapter = \"on\"\n"
    );
    let mut desk = desk(&dir, &rig, 0).await;
    pass(&mut desk, 2000).await;
    press(&mut desk, &[KeyCode::Enter]).await;
    pass(&mut desk, 4000).await;
    let shown = screen(&desk);
    assert!(shown.contains("adapter.off") && shown.contains("bluetoothctl power on"), "{shown}");
    assert!(shown.contains("no scan"), "{shown}");
    pass(&mut desk, 6000).await;
    let shown = screen(&desk);
    assert!(!shown.contains("adapter.off") && shown.contains("scanning"), "{shown}");
    assert!(shown.contains("● connected"), "{shown}");
    desk.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_radio_that_cannot_be_opened_is_tried_again() {
    let dir = TempDir::new().unwrap();
    let mut desk = desk(&dir, TWO, 3).await;
    pass(&mut desk, 1000).await;
    let shown = screen(&desk);
    assert!(shown.contains("service.down") && shown.contains("systemctl start bluetooth"), "{shown}");
    pass(&mut desk, 8000).await;
    assert!(
        screen(&desk).contains("scanning") && !screen(&desk).contains("service.down"),
        "{}",
        screen(&desk)
    );
    desk.close().await;
}

#[tokio::test(start_paused = true)]
async fn frames_are_written_to_a_new_file_only() {
    let dir = TempDir::new().unwrap();
    let mut desk = desk(&dir, TWO, 0).await;
    pass(&mut desk, 2000).await;
    press(&mut desk, &[KeyCode::Enter]).await;
    pass(&mut desk, 1000).await;
    let file = dir.path().join("frames.log");
    for _ in 0..2 {
        press(&mut desk, &[KeyCode::Char('3'), KeyCode::Char('w')]).await;
        let _ = desk.handle(Event::Key(KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL)));
        let _ = desk.handle(Event::Paste(file.display().to_string()));
        press(&mut desk, &[KeyCode::Enter]).await;
        // The paused clock waits for the file.
        pass(&mut desk, 100).await;
    }
    assert!(screen(&desk).contains("usage.file_unwritable"), "{}", screen(&desk));
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.lines().any(|line| line.ends_with("read fff2 <- 0150ff8800  on  80 %  #ff8800")), "{text}");
    desk.close().await;
}

async fn choose(desk: &mut Desk, name: &str) {
    press(desk, &[KeyCode::Char('1'), KeyCode::Esc, KeyCode::Esc, KeyCode::Char('/')]).await;
    let _ = desk.handle(Event::Paste(name.to_owned()));
    press(desk, &[KeyCode::Enter]).await;
}

async fn connect(desk: &mut Desk, name: &str) {
    choose(desk, name).await;
    press(desk, &[KeyCode::Enter]).await;
    pass(desk, 5000).await;
}

#[tokio::test(start_paused = true)]
async fn bulbs_of_several_families_are_driven_by_what_they_can_do() {
    let dir = TempDir::new().unwrap();
    let mut desk = desk(&dir, include_str!("../../fixtures/rigs/families.toml"), 0).await;
    pass(&mut desk, 3000).await;
    // The advertised state is shown without a link.
    choose(&mut desk, "C4:11:00:00:01:0A").await;
    let shown = screen(&desk);
    assert!(shown.contains("on  55 %") && shown.contains("advertised") && shown.contains("▐▌"), "{shown}");

    // A bulb that never reports: unknown, then assumed, no failure.
    connect(&mut desk, "ELK-BLEDOM").await;
    let shown = screen(&desk);
    assert!(shown.contains("● connected") && shown.contains("never reports"), "{shown}");
    press(&mut desk, &[KeyCode::Char('t')]).await;
    let _ = desk.handle(Event::Paste("2700".to_owned()));
    press(&mut desk, &[KeyCode::Enter]).await;
    pass(&mut desk, 3000).await;
    let shown = screen(&desk);
    assert!(shown.contains("2700K") && shown.contains("assumed: never reports"), "{shown}");
    assert!(!shown.contains('✗') && !shown.contains("not confirmed"), "{shown}");
    let sent = writes(&dir.path().join("log"));
    assert_eq!(sent.last().map(String::as_str), Some("7e0605026400ff10ef"));

    // A bulb that answers queries: the effect is confirmed, and frames are decoded.
    connect(&mut desk, "Triones").await;
    press(&mut desk, &[KeyCode::Char('v'), KeyCode::Char('/')]).await;
    let _ = desk.handle(Event::Paste("fade-red".to_owned()));
    press(&mut desk, &[KeyCode::Enter]).await;
    pass(&mut desk, 3000).await;
    let shown = screen(&desk);
    assert!(shown.contains("fade-red") && shown.contains("reported") && shown.contains('✓'), "{shown}");
    press(&mut desk, &[KeyCode::Char('3')]).await;
    let shown = screen(&desk);
    assert!(shown.contains("bb2610") && shown.contains("fade-red"), "{shown}");
    assert!(shown.contains("a query"), "{shown}");

    // A bulb that is recognised but not supported.
    connect(&mut desk, "GVH60A6").await;
    let shown = screen(&desk);
    assert!(shown.contains("profile.unsupported") && shown.contains("encrypted"), "{shown}");
    assert!(!shown.contains("Brightness"), "{shown}");
    desk.close().await;
}

/// A desk of this size on the rig of two bulbs, with the first one connected.
async fn connected(dir: &TempDir, size: (u16, u16)) -> Desk {
    let setup = Setup { scenes: Some(dir.path().join("scenes")), ..setup(dir, TWO, 0).await };
    let mut desk = Desk::open(setup, Options { size, ..Options::default() });
    pass(&mut desk, 2000).await;
    press(&mut desk, &[KeyCode::Enter]).await;
    pass(&mut desk, 1000).await;
    desk
}

fn screen_of(desk: &Desk, size: (u16, u16)) -> String {
    let mut terminal = Terminal::new(TestBackend::new(size.0, size.1)).unwrap();
    terminal.draw(|frame| view(&desk.model, frame)).unwrap();
    terminal.backend().to_string()
}

async fn type_text(desk: &mut Desk, text: &str) {
    let keys: Vec<KeyCode> =
        text.chars().map(|c| if c == '\n' { KeyCode::Enter } else { KeyCode::Char(c) }).collect();
    press(desk, &keys).await;
}

#[tokio::test(start_paused = true)]
async fn space_switches_a_bulb_that_is_not_connected() {
    let dir = TempDir::new().unwrap();
    let mut desk = desk(&dir, TWO, 0).await;
    pass(&mut desk, 2000).await;
    type_text(&mut desk, " ").await;
    pass(&mut desk, 2000).await;
    let shown = screen(&desk);
    assert!(shown.contains("● connected") && shown.contains("off  80 %"), "{shown}");
    desk.close().await;
    assert_eq!(writes(&dir.path().join("log")).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_bulb_that_was_given_up_can_be_taken_again() {
    let (dir, size) = (TempDir::new().unwrap(), (80, 24));
    let mut desk = connected(&dir, size).await;
    type_text(&mut desk, "--").await;
    pass(&mut desk, 500).await;
    type_text(&mut desk, "d").await;
    pass(&mut desk, 500).await;
    assert!(screen(&desk).contains("not connected"), "{}", screen(&desk));
    type_text(&mut desk, "\n").await;
    pass(&mut desk, 1000).await;
    let shown = screen(&desk);
    assert!(shown.contains("on  70 %") && shown.contains("reported"), "{shown}");
    desk.close().await;
}

#[tokio::test(start_paused = true)]
async fn the_gatt_table_is_read_written_and_followed() {
    let (dir, size) = (TempDir::new().unwrap(), (120, 40));
    let mut desk = connected(&dir, size).await;
    type_text(&mut desk, "5").await;
    let shown = screen_of(&desk, size);
    assert!(
        shown.contains("fff1") && shown.contains("control") && shown.contains("Battery Service"),
        "{shown}"
    );
    // A command by hand, and its notification.
    type_text(&mut desk, "jw0132ff8800\n").await;
    pass(&mut desk, 500).await;
    let shown = screen_of(&desk, size);
    assert!(shown.contains("wrote 5 bytes to fff1 by a request"), "{shown}");
    assert!(shown.contains("on  50 %") && shown.contains("0132ff8800"), "{shown}");
    // The battery level is read, and its notifications begin.
    type_text(&mut desk, "G\nn").await;
    pass(&mut desk, 500).await;
    let shown = screen_of(&desk, size);
    let battery = shown.lines().find(|line| line.contains("2a19")).unwrap();
    assert!(battery.contains('●') && battery.contains("57"), "{battery}");
    type_text(&mut desk, "n").await;
    pass(&mut desk, 500).await;
    let shown = screen_of(&desk, size);
    assert!(!shown.lines().find(|line| line.contains("2a19")).unwrap().contains('●'), "{shown}");
    desk.close().await;
    let log = std::fs::read_to_string(dir.path().join("log")).unwrap();
    for event in ["subscribe", "unsubscribe"] {
        let mut lines = log.lines().filter(|line| line.contains(&format!("\"event\":\"{event}\"")));
        assert!(lines.any(|line| line.contains("2a19")), "{event}: {log}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_checks_run_and_the_bulb_comes_back() {
    let (dir, size) = (TempDir::new().unwrap(), (120, 40));
    let mut desk = connected(&dir, size).await;
    type_text(&mut desk, "6\n").await;
    pass(&mut desk, 4000).await;
    let shown = screen_of(&desk, size);
    assert!(shown.contains("passed") && shown.contains("✓ "), "{shown}");
    pass(&mut desk, 300_000).await;
    let shown = screen_of(&desk, size);
    assert!(shown.contains("0 failed  done, restored"), "{shown}");
    assert!(
        shown.contains("● connected") && shown.contains("on  80 %") && shown.contains("#ff8800"),
        "{shown}"
    );
    // Stopped in the middle, it is restored too.
    type_text(&mut desk, "6\n").await;
    pass(&mut desk, 6000).await;
    type_text(&mut desk, "\n").await;
    pass(&mut desk, 20_000).await;
    let shown = screen_of(&desk, size);
    assert!(shown.contains("stopped") && shown.contains("● connected"), "{shown}");
    assert!(shown.contains("on  80 %") && shown.contains("#ff8800"), "{shown}");
    desk.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_fade_runs_and_ends_where_it_should() {
    let (dir, size) = (TempDir::new().unwrap(), (80, 24));
    let mut desk = connected(&dir, size).await;
    type_text(&mut desk, "Fblue 20% 2s\n").await;
    pass(&mut desk, 1000).await;
    assert!(screen(&desk).contains("fading 1 s"), "{}", screen(&desk));
    pass(&mut desk, 2000).await;
    let shown = screen(&desk);
    assert!(shown.contains("on  20 %") && shown.contains("#0000ff") && shown.contains("reported"), "{shown}");
    let sent = writes(&dir.path().join("log"));
    assert!(sent.len() > 20 && sent.last().unwrap() == "01140000ff", "{sent:?}");
    // Any other change ends a fade.
    type_text(&mut desk, "F100% 60s\n").await;
    pass(&mut desk, 2000).await;
    type_text(&mut desk, "cred\n").await;
    pass(&mut desk, 1000).await;
    let before = writes(&dir.path().join("log")).len();
    pass(&mut desk, 60_000).await;
    assert_eq!(writes(&dir.path().join("log")).len(), before);
    assert!(screen(&desk).contains("#ff0000"), "{}", screen(&desk));
    desk.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_scene_is_saved_and_recalled() {
    let (dir, size) = (TempDir::new().unwrap(), (80, 24));
    let mut desk = connected(&dir, size).await;
    type_text(&mut desk, "Sevening\n").await;
    let file = dir.path().join("scenes/evening.jsonl");
    until(&mut desk, |_| file.exists()).await;
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("\"type\":\"snapshot\"") && text.contains("\"color\":\"#ff8800\""), "{text}");
    type_text(&mut desk, "cblue\n").await;
    pass(&mut desk, 1000).await;
    assert!(screen(&desk).contains("#0000ff"));
    type_text(&mut desk, "d").await;
    pass(&mut desk, 1000).await;
    type_text(&mut desk, "R").await;
    until(&mut desk, |screen| screen.contains(" Scenes ")).await;
    type_text(&mut desk, "\n").await;
    until(&mut desk, |screen| screen.contains("#ff8800") && screen.contains("reported")).await;
    desk.close().await;
}

/// Lets time pass until the screen is right.
async fn until(desk: &mut Desk, right: impl Fn(&str) -> bool) {
    for _ in 0..2_000 {
        if right(&screen(desk)) {
            return;
        }
        pass(desk, 20).await;
    }
    panic!("it never came:\n{}", screen(desk));
}

#[tokio::test(start_paused = true)]
async fn frames_are_saved_as_a_recording_that_plays() {
    let (dir, size) = (TempDir::new().unwrap(), (120, 40));
    let mut desk = connected(&dir, size).await;
    type_text(&mut desk, " ").await;
    pass(&mut desk, 1000).await;
    let path = dir.path().join("frames.jsonl");
    type_text(&mut desk, "3W").await;
    let clear = KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL);
    let _ = desk.handle(Event::Key(clear));
    type_text(&mut desk, &format!("{}\n", path.display())).await;
    until(&mut desk, |_| path.exists()).await;
    pass(&mut desk, 500).await;
    desk.close().await;
    // The same session on the recording: the state, the battery, and the change.
    let radio = bulbctl::radio::record::open(&path).unwrap();
    let open = move || {
        let radio = radio.clone();
        async move { Ok(radio) }.boxed()
    };
    let setup = Setup::new(Arc::new(open), Arc::default(), Duration::from_secs(10));
    let mut desk = Desk::open(setup, Options { size, ..Options::default() });
    pass(&mut desk, 2000).await;
    press(&mut desk, &[KeyCode::Enter]).await;
    pass(&mut desk, 1000).await;
    let shown = screen_of(&desk, size);
    assert!(shown.contains("● connected") && shown.contains("on  80 %"), "{shown}");
    type_text(&mut desk, " ").await;
    pass(&mut desk, 1000).await;
    let shown = screen_of(&desk, size);
    assert!(shown.contains("off  80 %") && shown.contains("reported"), "{shown}");
    desk.close().await;
}
