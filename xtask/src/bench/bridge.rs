//! Measures the bridge: the policy of links, played by `examples/bridge_bench.rs`.

use anyhow::Result;

use crate::setup::{cargo, command, output, run, target};

/// The links of the simulation.
const SLOTS: &str = "5";

pub(super) fn measure() -> Result<String> {
    run(cargo().args(["build", "--quiet", "--locked", "--example", "bridge_bench"]))?;
    let (table, _) = output(command(target().join("debug/examples/bridge_bench")).arg(SLOTS))?;
    let times = "A simulated day on 5 links. To connect takes 740 to 930 ms, as a whole `bulbctl on` on a real stack\n\
                 does (see the last table); to write over a link takes 30 to 100 ms, one or two connection\n\
                 intervals; and BlueZ takes 2 s to end a link. A command that has waited for 10 s fails.\n";
    Ok(format!("{table}\n{times}"))
}
