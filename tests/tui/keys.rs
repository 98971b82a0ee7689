//! Every row of the key table, pressed in the real program. A row that is not pressed here fails the test.

use std::collections::HashSet;
use std::fmt::Write;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use bulbctl::check::CHECKS;
use bulbctl::tui::keys::{Action as A, Key, KeyContext as P, TABLE};
use tempfile::TempDir;

use super::pty::{Terminal, given_back};

const PATIENCE: Duration = Duration::from_secs(30);
const BULBCTL: &str = env!("CARGO_BIN_EXE_bulbctl");

/// A program in a terminal, and the rows of the table that were pressed in it.
pub(crate) struct Keys {
    pub(crate) terminal: Terminal,
    dir: TempDir,
    pressed: HashSet<(P, A)>,
}

/// 25 bulbs of the base family, one that never connects, and one with white and effects. By name, the latter is the first.
fn rig() -> String {
    let mut rig =
        "rig = 1\n[[bulb]]\nprofile = \"hue\"\naddress = \"C4:11:00:00:02:FF\"\naddress_type = \"random\"\n\
                   power = true\nkelvin = 2700\npairing = true\n"
            .to_owned();
    for number in 1..=25 {
        let rssi = -40 - number;
        // The checks of the second one take long enough to stop them.
        let latency = if number == 2 { 500 } else { 20 };
        write!(
            rig,
            "[[bulb]]\nname = \"Light-{number:02}\"\naddress = \"C4:11:00:00:02:{number:02}\"\nrssi = {rssi}\ninterval = \"500ms\"\nstatus_latency = \"{latency}ms\"\n\
             power = true\nbrightness = 80\ncolor = \"#ffb46b\"\nbattery = 87\n\
             device = {{ manufacturer = \"Bulb Works\", model = \"BW-1\" }}\n"
        )
        .unwrap();
    }
    rig.push_str("[[bulb.fault]]\non = \"connect\"\ndo = \"drop\"\n");
    rig
}

const CONFIG: &str =
    "[groups]\nhall = [\"Light-03\"]\noffice = [\"Light-01\", \"Light-02\"]\n[tui]\nsort = \"name\"\n";

impl Keys {
    /// Starts the desk in a terminal of this size.
    pub(crate) fn start(size: (u16, u16)) -> Self {
        Self::with(size, BULBCTL, &["tui"])
    }

    pub(crate) fn with(size: (u16, u16), program: &str, arguments: &[&str]) -> Self {
        let dir = TempDir::new().unwrap();
        let rig = dir.path().join("rig.toml");
        std::fs::write(&rig, self::rig()).unwrap();
        std::fs::write(dir.path().join("config.toml"), CONFIG).unwrap();
        let command = command(&dir, program, arguments);
        Self { terminal: Terminal::start(command, size, PATIENCE), dir, pressed: HashSet::new() }
    }

    /// A program with the same home and the same virtual radio.
    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        command(&self.dir, program, arguments)
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn waits_for(&self, what: &str, right: impl Fn(&str) -> bool) {
        self.terminal.until(what, |screen| right(&screen.contents()));
    }

    /// Presses the key of a row, and waits for what it does. That must not have been on the screen before.
    pub(crate) fn press(&mut self, context: P, action: A, right: impl Fn(&str) -> bool) {
        let before = self.terminal.contents();
        assert!(!right(&before), "{context:?} {action:?} would change nothing:\n{before}");
        self.terminal.keys(&bytes(key(context, action)));
        self.waits_for(&format!("{context:?} {action:?}"), right);
        self.pressed.insert((context, action));
    }

    fn shows(&mut self, context: P, action: A, text: &str) {
        self.press(context, action, |screen| screen.contains(text));
    }

    fn hides(&mut self, context: P, action: A, text: &str) {
        self.press(context, action, |screen| !screen.contains(text));
    }

    /// Selects a row: the one with this text.
    fn selects(&mut self, context: P, action: A, text: &str) {
        self.press(context, action, |screen| is_selected(screen, text));
    }

    /// Types into the input line, and applies it.
    fn types(&mut self, text: &str, right: impl Fn(&str) -> bool) {
        self.terminal.keys(text);
        self.waits_for(text, |screen| screen.contains(text));
        self.press(P::Prompt, A::Accept, right);
    }

    /// Selects a bulb by a filter, and connects it.
    pub(crate) fn connect(&mut self, name: &str) {
        self.waits_for("all bulbs", |screen| screen.contains("26 of 26"));
        self.shows(P::List, A::Filter, "filter:");
        self.types(name, |screen| screen.contains("Esc clears it") && screen.contains("1 of 26"));
        self.shows(P::List, A::Connect, "● connected");
        self.waits_for("its state", |screen| screen.contains("reported"));
    }

    /// Waits for the end with this exit code. Returns the folder with the virtual bulbs.
    pub(crate) fn ends(self, code: i32) -> TempDir {
        assert_eq!(self.terminal.end(), (Some(code), String::new()));
        self.dir
    }

    /// Quits, and returns what was pressed.
    fn quit(mut self) -> HashSet<(P, A)> {
        self.terminal.keys(&bytes(key(P::Panes, A::Quit)));
        self.pressed.insert((P::Panes, A::Quit));
        assert_eq!(self.terminal.end(), (Some(0), String::new()));
        self.pressed
    }
}

fn command(dir: &TempDir, program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", dir.path())
        .env("PS1", "ready> ")
        .env("BULBCTL", BULBCTL)
        .env("BULBCTL_CONFIG", dir.path().join("config.toml"))
        .env("BULBCTL_SIM_DIR", dir.path().join("sim"))
        .env("BULBCTL_ADAPTER", format!("sim:{}", dir.path().join("rig.toml").display()));
    command
}

/// The first key of a row.
fn key(context: P, action: A) -> Key {
    let row = TABLE.iter().find(|row| (row.context, row.action) == (context, action));
    row.unwrap_or_else(|| panic!("{context:?} has no {action:?}")).keys[0]
}

/// What a terminal sends for a key.
fn bytes(key: Key) -> String {
    let text = key.text();
    if let Some(letter) = text.strip_prefix("Ctrl-") {
        return char::from(letter.as_bytes()[0] & 0x1f).into();
    }
    let known = match text.as_str() {
        "Space" => " ",
        "Enter" => "\r",
        "Esc" => "\u{1b}",
        "Tab" => "\t",
        "Shift-Tab" => "\u{1b}[Z",
        "↑" => "\u{1b}[A",
        "↓" => "\u{1b}[B",
        "→" => "\u{1b}[C",
        "←" => "\u{1b}[D",
        "Shift-→" => "\u{1b}[1;2C",
        "Shift-←" => "\u{1b}[1;2D",
        "Home" => "\u{1b}[H",
        "End" => "\u{1b}[F",
        "PgUp" => "\u{1b}[5~",
        "PgDn" => "\u{1b}[6~",
        other if other.chars().count() == 1 => other,
        other => panic!("no bytes for {other}"),
    };
    known.to_owned()
}

fn is_selected(screen: &str, text: &str) -> bool {
    screen.lines().any(|line| line.split_once('▌').is_some_and(|(_, row)| row.contains(text)))
}

/// The number before a word: how many lines are `below`.
fn number_before(screen: &str, word: &str) -> Option<usize> {
    let (before, _) = screen.split_once(&format!(" {word} "))?;
    before.rsplit(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// Returns true if the pane with the focus has this name, where a lower pane takes the place of the list.
fn is_pane(screen: &str, name: &str) -> bool {
    screen.contains(&format!("┏ {name} "))
}

fn list_and_panes() -> HashSet<(P, A)> {
    let mut keys = Keys::start((80, 24));
    keys.waits_for("all bulbs", |screen| screen.contains("26 of 26") && is_selected(screen, "Hue"));
    keys.selects(P::List, A::Down, "Light-01");
    keys.selects(P::List, A::Up, "Hue");
    keys.selects(P::List, A::Last, "Light-25");
    keys.selects(P::List, A::First, "Hue");
    keys.selects(P::List, A::PageDown, "Light-18");
    keys.selects(P::List, A::PageUp, "Hue");
    // The focus is where the cursor of the controls is.
    keys.shows(P::List, A::ToDetail, "▸ Power");
    keys.hides(P::Panes, A::ToList, "▸ Power");
    keys.shows(P::Panes, A::ToDetail, "▸ Power");
    keys.hides(P::Panes, A::PreviousPane, "▸ Power");
    keys.shows(P::Panes, A::NextPane, "▸ Power");
    keys.press(P::Panes, A::ToFrames, |screen| is_pane(screen, "Frames"));
    keys.press(P::Panes, A::ToGraphs, |screen| is_pane(screen, "Graphs"));
    keys.press(P::Panes, A::ToGatt, |screen| is_pane(screen, "GATT"));
    keys.press(P::Panes, A::ToCheck, |screen| is_pane(screen, "Check"));
    keys.press(P::Panes, A::ToLog, |screen| is_pane(screen, "Log"));
    keys.press(P::Panes, A::PreviousLower, |screen| is_pane(screen, "Check"));
    keys.press(P::Panes, A::NextLower, |screen| is_pane(screen, "Log"));
    keys.press(P::Panes, A::ToList, |screen| is_pane(screen, "Bulbs"));
    keys.hides(P::Panes, A::Zoom, "not connected");
    keys.shows(P::Panes, A::Dismiss, "not connected");

    keys.shows(P::Panes, A::MarkAll, "26 marked");
    keys.hides(P::Panes, A::MarkAll, "marked");
    keys.shows(P::Panes, A::Mark, "1 marked");
    keys.hides(P::Panes, A::Dismiss, "marked");
    keys.shows(P::Panes, A::Groups, "@office");
    keys.selects(P::Popup, A::Down, "@office");
    keys.selects(P::Popup, A::Up, "@hall");
    keys.press(P::Popup, A::Last, |screen| is_selected(screen, "@office"));
    keys.shows(P::Popup, A::Accept, "2 bulbs of @office are marked");
    keys.shows(P::Panes, A::Scan, "scan is off");
    keys.shows(P::Panes, A::ToggleShowAll, " Devices ");
    keys.shows(P::Panes, A::Sort, "by address");

    keys.shows(P::Panes, A::Help, "Everywhere");
    let first = |line: usize| move |screen: &str| screen.contains(&format!(" {line}–"));
    keys.press(P::Popup, A::Down, first(2));
    keys.press(P::Popup, A::Up, first(1));
    keys.press(P::Popup, A::PageDown, first(19));
    keys.press(P::Popup, A::PageUp, first(1));
    keys.press(P::Popup, A::Last, |screen| screen.contains("change failed") && !screen.contains("↓ more"));
    keys.press(P::Popup, A::First, first(1));
    keys.hides(P::Popup, A::Cancel, "Everywhere");
    keys.shows(P::Panes, A::Palette, " Actions ");
    keys.selects(P::Prompt, A::Down, "to-detail");
    keys.selects(P::Prompt, A::Up, "connect");
    keys.hides(P::Prompt, A::Cancel, " Actions ");
    // Only the program can remove what something else has written.
    keys.terminal.scribble("\u{1b}[10;10Hscribbled");
    keys.waits_for("it", |screen| screen.contains("scribbled"));
    keys.hides(P::Always, A::Redraw, "scribbled");
    keys.quit()
}

/// The controls of a bulb, from everywhere and in its pane.
fn bulb() -> HashSet<(P, A)> {
    let mut keys = Keys::start((80, 24));
    keys.connect("light-01");
    keys.shows(P::Panes, A::Toggle, "off  80 %");
    keys.shows(P::Panes, A::Brighter, "off  85 %");
    keys.shows(P::Panes, A::Dimmer, "off  80 %");
    keys.shows(P::Panes, A::TypeColor, "colour:");
    keys.types("teal", |screen| screen.contains("#008080") && screen.contains("reported"));
    keys.shows(P::Panes, A::Toggle, "on  80 %");
    keys.waits_for("its report", |screen| screen.contains("reported"));
    keys.shows(P::Panes, A::SaveScene, "name of the scene:");
    keys.types("evening", |screen| screen.contains("saved the scene"));
    keys.shows(P::Panes, A::Fade, "fade to:");
    keys.types("20% 1s", |screen| screen.contains("fading"));
    keys.waits_for("the end of the fade", |screen| {
        screen.contains("on  20 %") && screen.contains("reported")
    });
    keys.shows(P::Panes, A::RecallScene, " Scenes ");
    keys.press(P::Popup, A::Accept, |screen| {
        screen.contains("recalled evening") && screen.contains("on  80 %")
    });

    keys.shows(P::Panes, A::ToDetail, "▸ Power");
    keys.shows(P::Detail, A::Activate, "off  80 %");
    keys.shows(P::Detail, A::Down, "▸ Brightness");
    keys.shows(P::Detail, A::Increase, "off  81 %");
    keys.shows(P::Detail, A::Decrease, "off  80 %");
    keys.shows(P::Detail, A::IncreaseMuch, "off  90 %");
    keys.shows(P::Detail, A::DecreaseMuch, "off  80 %");
    keys.shows(P::Detail, A::Minimum, "off  0 %");
    keys.shows(P::Detail, A::Maximum, "off  100 %");
    keys.shows(P::Detail, A::Up, "▸ Power");
    keys.shows(P::Panes, A::Disconnect, "not connected");
    keys.quit()
}

fn white_and_effects() -> HashSet<(P, A)> {
    let mut keys = Keys::start((80, 24));
    keys.connect("hue");
    keys.shows(P::Panes, A::TypeKelvin, "kelvin:");
    keys.types("4000", |screen| screen.contains("4000K") && screen.contains('✓'));
    keys.shows(P::Panes, A::Effects, " Effects ");
    keys.shows(P::Popup, A::Filter, "filter effects:");
    keys.types("candle", |screen| !screen.contains(" Effects ") && screen.contains("candle"));
    keys.quit()
}

fn frames() -> HashSet<(P, A)> {
    let mut keys = Keys::start((80, 16));
    keys.connect("light-01");
    for number in 1..=10 {
        keys.shows(P::Panes, A::Dimmer, &format!("on  {} %", 80 - 5 * number));
    }
    keys.press(P::Panes, A::ToFrames, |screen| is_pane(screen, "Frames") && !screen.contains("link up"));
    keys.press(P::Frames, A::First, |screen| screen.contains("link up") && screen.contains(" below "));
    let all = number_before(&keys.terminal.contents(), "below").unwrap();
    let below = |count: usize| move |screen: &str| number_before(screen, "below") == Some(count);
    keys.press(P::Frames, A::Down, below(all - 1));
    keys.press(P::Frames, A::Up, below(all));
    keys.press(P::Frames, A::PageDown, |screen| {
        number_before(screen, "below").unwrap_or_default() + 10 <= all
    });
    keys.press(P::Frames, A::PageUp, below(all));
    keys.hides(P::Frames, A::Last, " below ");
    keys.shows(P::Frames, A::Pause, "paused, 0 more");
    // The command and its notification are there, and not shown.
    keys.shows(P::Panes, A::Toggle, "paused, 2 more");
    assert!(!keys.terminal.contents().contains("off  30 %"), "{}", keys.terminal.contents());
    keys.press(P::Frames, A::Pause, |screen| !screen.contains("paused") && screen.contains("off  30 %"));
    keys.shows(P::Frames, A::Filter, "filter frames:");
    keys.types("fff1", |screen| screen.contains("filter \"fff1\"") && !screen.contains("filter frames:"));
    for (action, prompt, file, saved) in [
        (A::Save, "save frames to:", "frames.log", "saved 11 lines to"),
        (A::SaveRecording, "save recording to:", "frames.jsonl", "saved the recording to"),
    ] {
        keys.shows(P::Frames, action, prompt);
        let path = keys.file(file).display().to_string();
        keys.terminal.keys("\u{15}");
        keys.types(&path, |screen| screen.contains(saved));
        assert!(keys.file(file).exists());
    }
    keys.press(P::Panes, A::Dismiss, |screen| !screen.contains("saved"));
    keys.shows(P::Panes, A::Dismiss, "fff2");
    keys.shows(P::Frames, A::Clear, "Frames to and from bulbs appear here.");
    keys.quit()
}

fn gatt() -> HashSet<(P, A)> {
    let mut keys = Keys::start((80, 14 + 1));
    keys.connect("light-01");
    keys.shows(P::Panes, A::ToGatt, "  1 of 8 ");
    keys.shows(P::Gatt, A::Down, "  2 of 8 ");
    keys.shows(P::Gatt, A::GattWrite, "value (hex");
    keys.types("0132ffb46b", |screen| screen.contains("wrote 5 bytes to fff1"));
    keys.shows(P::Gatt, A::Up, "  1 of 8 ");
    keys.shows(P::Gatt, A::PageDown, "  8 of 8 ");
    keys.shows(P::Gatt, A::PageUp, "  1 of 8 ");
    keys.shows(P::Gatt, A::Last, "  8 of 8 ");
    keys.shows(P::Gatt, A::GattRead, "read 4 bytes from 2a24");
    keys.shows(P::Gatt, A::First, "  1 of 8 ");
    for row in 2..=5 {
        keys.shows(P::Gatt, A::Down, &format!("  {row} of 8 "));
    }
    keys.press(P::Gatt, A::GattNotify, |screen| screen.contains("● 2a19") || screen.contains("●   2a19"));
    keys.quit()
}

fn check() -> HashSet<(P, A)> {
    let mut keys = Keys::start((80, 24));
    keys.connect("light-02");
    keys.shows(P::Panes, A::ToCheck, "Enter tests whether Light-02");
    keys.shows(P::Check, A::RunCheck, "brightness-0 ");
    keys.press(P::Check, A::RunCheck, |screen| screen.contains("stopped"));
    keys.waits_for("the bulb again", |screen| screen.contains("1 connected"));
    let (first, second) = (CHECKS[0].name, CHECKS[1].name);
    keys.selects(P::Check, A::First, first);
    keys.selects(P::Check, A::Down, second);
    keys.selects(P::Check, A::Up, first);
    let far =
        |screen: &str| screen.contains('▌') && [first, second].iter().all(|name| !is_selected(screen, name));
    keys.press(P::Check, A::PageDown, far);
    keys.selects(P::Check, A::PageUp, first);
    keys.press(P::Check, A::Last, far);
    keys.quit()
}

fn log() -> HashSet<(P, A)> {
    let mut keys = Keys::start((80, 24));
    keys.waits_for("all bulbs", |screen| screen.contains("26 of 26"));
    for order in ["by address", "by signal", "by name"].repeat(10) {
        keys.shows(P::Panes, A::Sort, order);
    }
    keys.press(P::Panes, A::ToLog, |screen| is_pane(screen, "Log") && screen.contains("sorted by name"));
    let below = |count: usize| move |screen: &str| number_before(screen, "below") == Some(count);
    keys.press(P::Log, A::First, below(12));
    keys.press(P::Log, A::Down, below(11));
    keys.press(P::Log, A::Up, below(12));
    keys.hides(P::Log, A::PageDown, " below ");
    keys.press(P::Log, A::PageUp, below(12));
    keys.hides(P::Log, A::Last, " below ");
    keys.quit()
}

/// The pause before the fifth attempt is eight seconds.
fn retry() -> HashSet<(P, A)> {
    let mut keys = Keys::start((80, 24));
    keys.waits_for("all bulbs", |screen| screen.contains("26 of 26"));
    keys.terminal.keys("G\r");
    let pause = |screen: &str| {
        let (_, rest) = screen.split_once("retry in ")?;
        rest.split(' ').next()?.parse::<u32>().ok()
    };
    keys.waits_for("a long pause", |screen| pause(screen).is_some_and(|seconds| seconds > 5));
    let start = std::time::Instant::now();
    keys.press(P::Panes, A::RetryNow, |screen| pause(screen).is_some_and(|seconds| seconds > 9));
    assert!(start.elapsed() < Duration::from_secs(5), "it waited");
    keys.quit()
}

fn ends() -> HashSet<(P, A)> {
    let mut keys = Keys::start((80, 24));
    keys.waits_for("a bulb", |screen| screen.contains("Light-01"));
    keys.terminal.keys(&bytes(key(P::Always, A::Interrupt)));
    keys.pressed.insert((P::Always, A::Interrupt));
    assert_eq!(keys.terminal.end(), (Some(130), String::new()));
    // A shell continues what it has suspended.
    let mut shell = Keys::with((80, 24), "sh", &["-i"]);
    shell.terminal.until_shown(&["ready> "]);
    shell.terminal.keys("$BULBCTL tui\r");
    shell.terminal.until_shown(&["Light-01"]);
    shell.terminal.keys(&bytes(key(P::Always, A::Suspend)));
    shell.pressed.insert((P::Always, A::Suspend));
    shell.terminal.until("the shell", |screen| given_back(screen) && screen.contents().contains("Stopped"));
    shell.terminal.keys("fg\r");
    shell
        .terminal
        .until("the desk", |screen| screen.alternate_screen() && screen.contents().contains("Light-01"));
    shell.terminal.keys("q");
    shell
        .terminal
        .until("the shell", |screen| given_back(screen) && screen.contents().trim_end().ends_with("ready>"));
    shell.terminal.keys("exit\r");
    assert_eq!(shell.terminal.end().0, Some(0));
    let mut pressed = keys.pressed;
    pressed.extend(shell.pressed);
    pressed
}

/// A program on the same virtual radio as the one in the terminal.
fn other(keys: &Keys, arguments: &[&str]) {
    let output = keys.command(BULBCTL, arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
}

/// The screen of `emulate`, with another program that drives the bulbs.
fn emulated() -> HashSet<(P, A)> {
    let mut keys = Keys::with((80, 24), BULBCTL, &["emulate", "elk", "base", "--tui"]);
    keys.waits_for("the bulbs", |screen| screen.contains("Light-2  base") && screen.contains("2 bulbs"));
    keys.selects(P::Emulate, A::Down, "Light-2");
    keys.selects(P::Emulate, A::Up, "ELK-BLEDOM");
    keys.press(P::Emulate, A::Toggle, |screen| screen.contains("on  50 %"));
    keys.shows(P::Emulate, A::Brighter, "on  55 %  ");
    keys.press(P::Emulate, A::Dimmer, |screen| screen.matches("on  50 %").count() == 3);
    keys.shows(P::Emulate, A::TypeColor, "colour:");
    keys.types("teal", |screen| screen.contains("#008080"));
    keys.shows(P::Emulate, A::TypeKelvin, "kelvin:");
    keys.types("2700", |screen| screen.contains("2700 K"));
    keys.shows(P::Emulate, A::TypeLine, "line:");
    // To the bulb that it names.
    keys.types("set --brightness 30 --bulb Light-2", |screen| screen.contains("off  30 %"));
    keys.shows(P::Emulate, A::Clear, "What happens at the bulbs appears here.");

    other(&keys, &["set", "Light-2", "--on", "--color", "red"]);
    keys.waits_for("the command", |screen| screen.contains("write fff1  on 30 % #ff0000"));
    keys.waits_for("the end of the link", |screen| screen.contains("disconnected"));
    keys.shows(P::Emulate, A::ToFrames, "write request fff1 <- 011eff0000");
    keys.shows(P::Emulate, A::Disconnect, "has no link to drop");
    keys.hides(P::Emulate, A::Dismiss, "has no link to drop");
    other(&keys, &["connect", "ELK-BLEDOM"]);
    keys.waits_for("the link", |screen| screen.contains("1 connected"));
    keys.press(P::Emulate, A::Disconnect, |screen| screen.contains("disconnected by the bulb"));
    for number in 0..10 {
        other(&keys, &["set", "Light-2", "--brightness", &number.to_string()]);
    }
    keys.waits_for("the last one", |screen| screen.contains("on  9 %"));
    keys.press(P::Emulate, A::First, |screen| screen.contains(" below "));
    let all = number_before(&keys.terminal.contents(), "below").unwrap();
    let below = move |screen: &str| number_before(screen, "below").unwrap_or_default();
    keys.press(P::Emulate, A::PageDown, |screen| below(screen) < all);
    keys.press(P::Emulate, A::PageUp, |screen| below(screen) == all);
    keys.hides(P::Emulate, A::Last, " below ");
    keys.shows(P::Emulate, A::Help, "as its button does");
    keys.hides(P::Popup, A::Cancel, "as its button does");
    keys.terminal.keys(&bytes(key(P::Emulate, A::Quit)));
    keys.pressed.insert((P::Emulate, A::Quit));
    assert_eq!(keys.terminal.end(), (Some(0), String::new()));
    keys.pressed
}

#[test]
fn every_key_does_what_the_table_says() {
    let sessions = [list_and_panes, bulb, white_and_effects, frames, gatt, check, log, retry, ends, emulated];
    let pressed: HashSet<(P, A)> = std::thread::scope(|scope| {
        let running = sessions.map(|session| scope.spawn(session));
        running.into_iter().flat_map(|session| session.join().expect("a session")).collect()
    });
    let missing: Vec<_> =
        TABLE.iter().map(|row| (row.context, row.action)).filter(|row| !pressed.contains(row)).collect();
    assert!(missing.is_empty(), "these keys are not pressed here: {missing:?}");
}
