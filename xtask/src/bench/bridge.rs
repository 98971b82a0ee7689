//! Measures the bridge: the policy of links, played by `examples/bridge_bench.rs`, and the way of a command through a broker.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::setup::{self, cargo, command, output, run, target};

/// The links of the simulation.
const SLOTS: &str = "5";
const COMMANDS: usize = 300;
const PORT: &str = "18830";
const BULB: &str = "c41100000001";
const START_TIME: Duration = Duration::from_secs(30);

pub(super) fn measure() -> Result<String> {
    let examples = ["--example", "bridge_bench", "--example", "bridge_latency", "--bin", "bulbctl"];
    run(cargo().args(["build", "--quiet", "--locked"]).args(examples))?;
    let (table, _) = output(command(target().join("debug/examples/bridge_bench")).arg(SLOTS))?;
    let times = "A simulated day on 5 links. To connect takes 740 to 930 ms, more than a whole `bulbctl on` on a real\n\
                 stack (see below); to write over a link takes 30 to 100 ms, one or two connection intervals; and\n\
                 BlueZ takes 2 s to end a link. A command that has waited for 10 s fails. To all at once, the 10 s\n\
                 begin for each bulb with its turn, and all end after two minutes.\n";
    Ok(format!("{table}\n{times}\n{}\n{}", through_a_broker()?, an_hour()?))
}

/// Measures memory and open files over an hour of simulated time, with a test that counts allocations.
fn an_hour() -> Result<String> {
    let mut test = cargo();
    test.args(["test", "--quiet", "--locked", "--package", "bulbctl", "--test", "memory"]);
    let (text, _) = output(test.args(["--", "--ignored", "--nocapture", "an_hour_of_the_bridge"]))?;
    let row = text.lines().find(|line| line.starts_with('|')).context("the test printed no figures")?;
    Ok(format!(
        "| an hour of the bridge, 20 bulbs on 5 links, its virtual radio included | allocated after 3 minutes | after the \
         hour | open files | after the hour | the broker was killed | it took |\n\
         |---|---:|---:|---:|---:|---:|---:|\n\
         | one command every 10 s {row}\n"
    ))
}

/// A program that is killed when this is dropped.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Result<Self> {
        Ok(Self(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().context("a program")?))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// From a command at mosquitto to the write at a virtual bulb, over a link that is up.
fn through_a_broker() -> Result<String> {
    ensure!(setup::mosquitto(), "mosquitto is not installed");
    let folder = std::env::temp_dir().join(format!("bulbctl-bench-bridge-{}", std::process::id()));
    fs::create_dir_all(&folder).context("a folder")?;
    let result = times_through_a_broker(&folder);
    fs::remove_dir_all(&folder).context("removing the folder")?;
    let mut times = result?;
    times.sort_unstable();
    let at = |percent: usize| {
        let index = (times.len() * percent).div_ceil(100).saturating_sub(1);
        times.get(index).copied().map_or(0.0, |micros| f64::from(micros) / 1e3)
    };
    Ok(format!(
        "| through mosquitto on this computer | median | 99th percentile |\n|---|---:|---:|\n\
         | from a command to the write at a virtual bulb | {:.1} ms | {:.1} ms |\n\n{COMMANDS} commands, not optimised.\n",
        at(50),
        at(99)
    ))
}

fn times_through_a_broker(folder: &Path) -> Result<Vec<u32>> {
    let file = |name: &str| folder.join(name);
    fs::write(file("mosquitto.conf"), format!("listener {PORT} 127.0.0.1\nallow_anonymous true\n"))?;
    let rig = "rig = 1\n[[bulb]]\nname = \"Light-1\"\naddress = \"C4:11:00:00:00:01\"\n";
    fs::write(file("rig.toml"), rig)?;
    let _broker = Running::start(Command::new("mosquitto").arg("-c").arg(file("mosquitto.conf")))?;
    let url = format!("mqtt://127.0.0.1:{PORT}");
    let _bridge = Running::start(
        Command::new(target().join("debug/bulbctl"))
            .args(["bridge", "--alone", "--name", "bench", "--broker", &url])
            .env("BULBCTL_ADAPTER", format!("sim:{}", file("rig.toml").display()))
            .env("BULBCTL_SIM_DIR", file("world"))
            .env("BULBCTL_SIM_LOG", file("air.log"))
            .env("XDG_STATE_HOME", file("state"))
            .env("XDG_CONFIG_HOME", file("config")),
    )?;
    let start = Instant::now();
    let is_linked = || fs::read_to_string(file("air.log")).is_ok_and(|log| log.contains("subscribe"));
    while !is_linked() {
        ensure!(start.elapsed() < START_TIME, "the bridge has no link after {START_TIME:?}");
        sleep(Duration::from_millis(50));
    }
    sleep(Duration::from_secs(1));
    let (text, _) = output(
        command(target().join("debug/examples/bridge_latency"))
            .arg(PORT)
            .arg(file("air.log"))
            .args([BULB, &COMMANDS.to_string()]),
    )?;
    text.lines().map(|line| line.parse().context("a time")).collect()
}
