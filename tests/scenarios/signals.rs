//! Interrupted commands leave nothing behind. The stage checks that at the end of each scenario.

use crate::play::Play;
use crate::{ENDS_WITH_US, STACK, Scenario, scenario};

pub const SCENARIOS: &[Scenario] = &[
    scenario("Ctrl-C in a scan", "signals", STACK, scan),
    scenario("Ctrl-C in a connect that hangs", "signals", STACK, |play| hanging(play, "INT")),
    scenario("Ctrl-C in watch", "signals", STACK, |play| watch(play, "INT")),
    scenario("SIGTERM in watch", "signals", STACK, |play| watch(play, "TERM")),
    scenario("SIGTERM in a connect that hangs", "signals", STACK, |play| hanging(play, "TERM")),
    scenario("Ctrl-C leaves a kept link up", "signals", STACK, kept).except(ENDS_WITH_US),
];

const NEAR: &str = "C4:5C:00:00:0C:01";
const HANG: &str = "C4:5C:00:00:0C:02";

fn scan(play: &Play) {
    let mut scan = play.start(&["scan", "--watch"]);
    scan.wait_for("a device", |line| line["type"] == "device");
    scan.interrupt();
}

fn hanging(play: &Play, signal: &str) {
    let command = play.start_hanging("Light-Hang", HANG, "50s");
    command.signal(signal);
    command.end().failed(130, "interrupted");
    play.expect_log(HANG, &[]);
}

fn watch(play: &Play, signal: &str) {
    let watch = play.watch(&["Light-Near"]);
    watch.signal(signal);
    watch.end().failed(130, "interrupted");
    play.expect_log(NEAR, &["connect", "subscribe fff2", "read fff2", "disconnect central"]);
}

fn kept(play: &Play) {
    play.bulbctl(&["connect", "Light-Near"]).ok();
    let watch = play.watch(&["Light-Near"]);
    watch.interrupt();
    play.bulbctl(&["status", "Light-Near"]).ok();
    play.expect_log(NEAR, &["connect", "subscribe fff2", "read fff2", "read fff2"]);
    play.expect_kept_link(NEAR);
}
