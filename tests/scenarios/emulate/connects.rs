//! Bumble's central connects again and again, and what the emulating program, BlueZ and the bus hold stays the same.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::json;

use super::Emulated;
use super::witnesses::ask_bumble;
use crate::other::match_rules;
use crate::play::Play;
use crate::stage::objects;

const CONNECTS: usize = 500;
/// The number of connects between two measurements.
const EVERY: usize = 50;
/// Two frames of the base protocol, as each has to change the state.
const FRAMES: [&str; 2] = ["0164ff0000", "0032ffffff"];

pub fn connects(play: &Play) {
    let start = Instant::now();
    let mut bulb = Emulated::base(play);
    println!("{}", Held::HEADER);
    let mut samples = Vec::new();
    for round in 1..=CONNECTS / EVERY {
        let request = json!({"do": "connect", "to": "02:B0:1B:00:00:02/P", "frames": FRAMES, "times": EVERY});
        let answer = ask_bumble(&request);
        assert_eq!(answer["good"], EVERY, "{answer}");
        for number in 0..EVERY {
            for event in ["connected", "subscribed", "write", "state", "disconnected"] {
                let record = bulb.wait_for(event);
                assert!(event != "write" || record["hex"] == FRAMES[number % 2], "{number}: {record}");
            }
        }
        // BlueZ and the kernel have noticed the end, and the bulb advertises again.
        sleep(Duration::from_secs(3));
        let held = Held::now(bulb.program.id());
        println!("{} {}", held.row(round * EVERY, start.elapsed()), answer["seconds"]);
        samples.push(held);
    }
    // Everything has been done once by the first measurement.
    let ([before, ..], [.., after]) = (&samples[..], &samples[..]) else { panic!("no measurements") };
    assert_eq!(after.counts(), before.counts(), "{samples:#?}");
    // A leak of 1 KB for each connect would be more.
    let allowed = (CONNECTS - EVERY) as u64;
    for (before, after) in [(before.memory, after.memory), (before.bluez_memory, after.bluez_memory)] {
        assert!(after < before + allowed, "{before} KB, then {after} KB: {samples:#?}");
    }
    bulb.end();
}

/// What the program and bluetoothd hold: open files, resident memory in KB, match rules of the bus, and the objects of BlueZ.
#[derive(Debug)]
struct Held {
    files: usize,
    memory: u64,
    rules: u32,
    bluez_files: usize,
    bluez_memory: u64,
    objects: usize,
}

impl Held {
    const HEADER: &str = "| connects | s | files | memory, KB | match rules | bluetoothd: files | memory, KB | objects |\n\
                          |---|---|---|---|---|---|---|---|";

    fn now(pid: u32) -> Self {
        let bluez = fs::read_to_string("/run/bluetoothd.pid").unwrap().trim().parse().unwrap();
        let files = |pid: u32| fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
        let memory = |pid: u32| {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
            line.trim().trim_end_matches(" kB").parse().unwrap()
        };
        Self {
            files: files(pid),
            memory: memory(pid),
            rules: match_rules(pid),
            bluez_files: files(bluez),
            bluez_memory: memory(bluez),
            objects: objects().len(),
        }
    }

    fn row(&self, connects: usize, time: Duration) -> String {
        let Self { files, memory, rules, bluez_files, bluez_memory, objects } = self;
        let seconds = time.as_secs();
        format!(
            "| {connects} | {seconds} | {files} | {memory} | {rules} | {bluez_files} | {bluez_memory} | {objects} |"
        )
    }

    /// What is counted, and has to be the same after each connect.
    fn counts(&self) -> [usize; 4] {
        [self.files, self.rules as usize, self.bluez_files, self.objects]
    }
}
