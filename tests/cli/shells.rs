//! Completion through the completion of the shells themselves: bash and zsh in a terminal, fish by its own command.

use std::path::PathBuf;
use std::time::Duration;

use super::pty::Terminal;
use super::*;

const CONFIG: &str = "adapter = \"sim:rig.toml\"\n[aliases]\ndesk = \"C4:11:00:00:00:01\"\n\
                      [groups]\noffice = [\"desk\", \"Light-Shelf\"]\nhall = [\"Light-Shelf\"]\n";

/// Names as strangers give them: one with a space, one that a shell would run, one with a colon, two that are the same.
const RIG: &str = r#"rig = 1
[[bulb]]
name = "Light-Desk"
address = "C4:11:00:00:00:01"
[[bulb]]
name = "Light-Shelf"
address = "C4:11:00:00:00:02"
[[bulb]]
name = "Kitchen Bulb"
address = "C4:11:00:00:00:03"
[[bulb]]
name = "$(touch pwned); Bulb"
address = "C4:11:00:00:00:04"
[[bulb]]
name = "Hue:Bulb"
address = "C4:11:00:00:00:05"
[[bulb]]
name = "Twin-Bulb"
address = "D5:11:00:00:00:06"
[[bulb]]
name = "Twin-Bulb"
address = "D5:11:00:00:00:07"
"#;

fn machine() -> Machine {
    let machine = Machine::new();
    machine.config(CONFIG);
    machine.write("here/rig.toml", RIG);
    machine.write("here/notes.txt", "");
    machine.write("here/session.jsonl", "");
    machine.profile("hand", include_str!("files/hand.toml"));
    machine
}

/// The path of a shell. A machine without it skips its tests, unless `BULBCTL_SHELLS` says that all are installed.
fn shell(name: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&folders).map(|folder| folder.join(name)).find(|file| file.is_file());
    assert!(found.is_some() || std::env::var_os("BULBCTL_SHELLS").is_none(), "there is no {name}");
    found
}

/// A command that runs in the folder `here` with bulbctl on its path.
fn command(machine: &Machine, program: &Path, arguments: &[&str]) -> Command {
    let folder = Path::new(env!("CARGO_BIN_EXE_bulbctl")).parent().unwrap();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths([folder.to_owned()].into_iter().chain(std::env::split_paths(&path)));
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .env("PATH", path.unwrap())
        .env("HOME", machine.path())
        .env("LANG", "C.UTF-8")
        .env("XDG_CONFIG_HOME", machine.path().join("config"))
        .current_dir(machine.path().join("here"));
    command
}

/// The result of lines with a tab in a shell's terminal, and a text that none of them may show.
const TYPED: &[(&str, &str)] = &[
    ("bulbctl on des", "bulbctl on desk"),
    ("bulbctl on @off", "bulbctl on @office"),
    ("bulbctl on desk @ha", "bulbctl on desk @hall"),
    ("bulbctl on desk,@ha", "bulbctl on desk,@hall"),
    ("bulbctl on Light-S", "bulbctl on Light-Shelf"),
    ("bulbctl on Kit", "bulbctl on Kitchen\\ Bulb"),
    ("bulbctl on Kitchen\\ B", "bulbctl on Kitchen\\ Bulb"),
    ("bulbctl on 'Kitchen B", "bulbctl on 'Kitchen Bulb'"),
    ("bulbctl on C4:11:00:00:00:02,C4:11:00:00:00:0", "bulbctl on C4:11:00:00:00:02,C4:11:00:00:00:0"),
    ("bulbctl on d5:11:00:00:00:06,d5:11:00:00:00:07,des", "d5:11:00:00:00:07,desk"),
    ("bulbctl on \\$", "Bulb"),
    ("bulbctl --profile=zen", "bulbctl --profile=zengge"),
    ("bulbctl --profile han", "bulbctl --profile hand"),
    ("bulbctl --adapter sim:r", "bulbctl --adapter sim:rig.toml"),
    ("bulbctl --adapter=rep", "bulbctl --adapter=replay:session.jsonl"),
    ("bulbctl profiles show elk:ml", "bulbctl profiles show elk:ml"),
    ("bulbctl set desk --profile hand --effect light", "--effect lighthouse"),
    ("bulbctl check desk --only command-of", "--only command-off"),
    ("bulbctl check desk --only on,command-of", "--only on,command-off"),
    ("bulbctl man gatt rea", "bulbctl man gatt read"),
    ("bulbctl set desk --bri", "bulbctl set desk --brightness"),
    ("bulbctl set desk --ada", "bulbctl set desk --adapter"),
    ("bulbctl check desk --junit no", "--junit notes.txt"),
    ("bulbctl frame decode --capture no", "--capture notes.txt"),
    ("bulbctl replay ses", "bulbctl replay session.jsonl"),
    ("bulbctl scan > no", "bulbctl scan > notes.txt"),
    // Not a file.
    ("bulbctl on no", "bulbctl on no"),
    ("bulbctl set desk --effect no", "--effect no"),
];

/// Types each line and a tab, and reads what becomes of it.
fn complete_in_a_terminal(machine: &Machine, shell: Command, setup: &str, differs: &[(&str, &str)]) {
    let terminal = Terminal::start(shell, (120, 24), Duration::from_secs(30));
    terminal.until_shown(&["$"]);
    terminal.keys(setup);
    for (typed, wanted) in TYPED {
        let wanted = differs.iter().find(|(line, _)| line == typed).map_or(*wanted, |(_, wanted)| wanted);
        terminal.keys("\u{15}\u{c}");
        terminal.until("an empty line", |screen| screen.contents().trim() == "$");
        // The mark shows that the shell has taken the tab.
        terminal.keys(&format!("{typed}\t~\u{8}"));
        terminal.keys("#");
        terminal.until(&format!("{typed} -> {wanted}"), |screen| {
            let text = screen.contents();
            text.contains(wanted) && text.contains('#')
        });
        let text = terminal.contents();
        assert!(!text.contains("error") && !text.contains("pwned)#"), "{typed}: {text}");
        if !wanted.contains(".txt") {
            assert!(!text.contains("notes.txt"), "{typed}: {text}");
        }
    }
    // The name that a shell would run is text.
    terminal.keys("\u{15}\u{c}");
    terminal.until("an empty line", |screen| screen.contents().trim() == "$");
    terminal.keys("bulbctl --timeout 1s status \\$\t\r");
    terminal.until("the state", |screen| {
        screen.contents().contains("Bulb\ton\t") || screen.contents().contains("Bulb  o")
    });
    assert!(!machine.path().join("here/pwned").exists());
    terminal.keys("exit\r");
    terminal.end();
}

#[test]
fn bash_completes_what_is_typed() {
    let Some(bash) = shell("bash") else { return };
    let machine = machine();
    let mut command = command(&machine, &bash, &["--norc", "--noprofile", "-i"]);
    command.env("PS1", "$ ");
    let setup = "bind 'set bell-style none'; source <(bulbctl completions bash)\r";
    complete_in_a_terminal(&machine, command, setup, &[]);
}

#[test]
fn zsh_completes_what_is_typed() {
    let Some(zsh) = shell("zsh") else { return };
    for loaded in [false, true] {
        let machine = machine();
        let script = stdout(&machine.run(&["completions", "zsh"]));
        machine.write("functions/_bulbctl", &script);
        let mut command = command(&machine, &zsh, &["-f", "-i"]);
        command.env("PS1", "$ ").env("ZDOTDIR", machine.path());
        let source = if loaded {
            "fpath=(~/functions $fpath); autoload -U compinit; compinit -u -D\r"
        } else {
            "autoload -U compinit; compinit -u -D; source <(bulbctl completions zsh)\r"
        };
        complete_in_a_terminal(&machine, command, &format!("unsetopt beep; {source}"), &[]);
    }
}

#[test]
fn fish_completes_what_is_typed() {
    let Some(fish) = shell("fish") else { return };
    let machine = machine();
    let script = machine.write("bulbctl.fish", &stdout(&machine.run(&["completions", "fish"])));
    let complete = |line: &str| {
        let line = line.replace('\\', "\\\\").replace('\'', "\\'");
        let arguments = ["--no-config", "-c", &format!("source {script}; complete -C '{line}'")];
        let output = command(&machine, &fish, &arguments).output().unwrap();
        assert_eq!(stderr(&output), "", "{line}");
        stdout(&output).lines().map(|line| line.split('\t').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    for (line, wanted) in [
        (
            "bulbctl on ",
            &[
                "desk",
                "@hall",
                "@office",
                "all",
                "Light-Desk",
                "Light-Shelf",
                "Kitchen Bulb",
                "$(touch pwned); Bulb",
                "Hue:Bulb",
                "D5:11:00:00:00:06",
                "D5:11:00:00:00:07",
            ][..],
        ),
        ("bulbctl on desk,@h", &["desk,@hall"]),
        ("bulbctl on Kitchen\\ B", &["Kitchen Bulb"]),
        ("bulbctl on C4:11:00:00:00:02", &["C4:11:00:00:00:02"]),
        ("bulbctl on no", &[]),
        (
            "bulbctl set ",
            &[
                "desk",
                "@hall",
                "@office",
                "all",
                "Light-Desk",
                "Light-Shelf",
                "Kitchen Bulb",
                "$(touch pwned); Bulb",
                "Hue:Bulb",
                "D5:11:00:00:00:06",
                "D5:11:00:00:00:07",
            ],
        ),
        ("bulbctl profiles ", &["check", "detect", "list", "new", "show", "help"]),
        ("bulbctl --profile=zen", &["--profile=zengge"]),
        ("bulbctl --adapter sim:r", &["sim:rig.toml"]),
        ("bulbctl profiles show han", &["hand"]),
        ("bulbctl set desk --profile hand --effect ", &["lighthouse"]),
        ("bulbctl set desk --effect ", &[]),
        ("bulbctl --adapter sim:families set ELK-BLEDOM --effect fade-b", &["fade-blue"]),
        ("bulbctl check desk --only a,command-of", &["a,command-off"]),
        ("bulbctl check desk --junit no", &["notes.txt"]),
        ("bulbctl man gatt rea", &["read"]),
        ("bulbctl set desk --bri", &["--brightness"]),
        ("bulbctl --adapter sim:nosuch.toml on Li", &[]),
        ("bulbctl --adapter sim on Bulb", &["Bulb-Garden", "Bulb-Hallway"]),
    ] {
        let mut found = complete(line);
        found.sort();
        let mut wanted: Vec<String> = wanted.iter().map(|one| (*one).to_owned()).collect();
        wanted.sort();
        assert_eq!(found, wanted, "{line}");
    }
    assert!(!machine.path().join("here/pwned").exists());
}

#[test]
fn scripts_are_small_and_completion_is_quiet_and_quick() {
    let machine = machine();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = stdout(&machine.run(&["completions", shell]));
        assert!(script.len() < 2048 && script.contains("BULBCTL_COMPLETE"), "{shell}: {script}");
    }
    // Whatever is asked, and whatever the configuration says.
    machine.config("[nonsense");
    for words in [
        &["bulbctl", "on", ""][..],
        &["bulbctl", "--nosuch", ""],
        &["bulbctl", "nosuch", "x"],
        &["bulbctl"],
        &[],
        &["", ""],
    ] {
        for shell in ["bash", "zsh", "fish", "powershell", "elvish", "nosuch"] {
            let mut command = machine.bulbctl(&[&["--"], words].concat());
            let output =
                command.env("BULBCTL_COMPLETE", shell).env("_CLAP_COMPLETE_INDEX", "7").output().unwrap();
            assert_eq!((code(&output), stderr(&output).as_str()), (0, ""), "{shell} {words:?}");
        }
    }
    // Names that nobody quotes are not offered.
    machine.config(CONFIG);
    let here = machine.path().join("here");
    for shell in ["powershell", "elvish"] {
        let mut command = machine.bulbctl(&["--", "bulbctl", "on", ""]);
        command.env("BULBCTL_COMPLETE", shell).env("_CLAP_COMPLETE_INDEX", "2").env("_CLAP_IFS", "\n");
        let offered = stdout(&command.current_dir(&here).output().unwrap());
        assert!(
            offered.contains("Light-Desk") && offered.contains("C4:11:00:00:00:04"),
            "{shell}: {offered}"
        );
        let values: Vec<&str> = offered.lines().map(|line| line.split('\t').next().unwrap()).collect();
        assert!(values.iter().all(|value| !value.contains(['$', ';', ' '])), "{shell}: {offered}");
    }
    // No adapter is opened: there is no bus, and the log would say so.
    machine.config("");
    let mut command = machine.bulbctl(&["--", "bulbctl", "on", ""]);
    command.env("BULBCTL_COMPLETE", "fish").env("BULBCTL_VERBOSE", "3");
    let start = std::time::Instant::now();
    let output = command.env("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent").output().unwrap();
    assert_eq!((stdout(&output).as_str(), stderr(&output).as_str()), ("all\tevery bulb in reach\n", ""));
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
}
