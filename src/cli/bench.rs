//! `bench`.

use std::path::PathBuf;
use std::sync::Arc;

use bulb_protocol::Percent;
use clap::{Args, ValueEnum, ValueHint};

use super::args::percent;
use super::check::write;
use super::context::Context;
use crate::bulb::Restorer;
use crate::error::{Error, Result};
use crate::measure::{BenchPlan, Part, measure};
use crate::output::{BenchRecord, ComparisonRecord, Printer, Record, SavedBench, json_line};

#[derive(Debug, Args)]
#[command(after_help = BENCH)]
pub(crate) struct Bench {
    /// Which bulb
    #[arg(required_unless_present = "compare")]
    pub(crate) target: Option<String>,
    /// How many rounds count
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) rounds: u32,
    /// How many rounds go before these, and do not count
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(0..=1_000))]
    pub(crate) warm_up: u32,
    /// Only these: connect, discovery, latency, rate; several with commas
    #[arg(long, value_enum, value_name = "PART", value_delimiter = ',', hide_possible_values = true)]
    pub(crate) only: Vec<BenchPart>,
    /// The brightness to measure around, for lamps that do not tell theirs: these stay there [default: what it reports]
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    pub(crate) brightness: Option<Percent>,
    /// Write the measurement into this file, for --compare
    #[arg(long, value_name = "FILE", requires = "target", value_hint = ValueHint::FilePath)]
    pub(crate) save: Option<PathBuf>,
    /// Compare with this measurement; without a TARGET, two that were saved
    #[arg(long, value_names = ["OLD", "NEW"], num_args = 1..=2, value_hint = ValueHint::FilePath)]
    pub(crate) compare: Vec<PathBuf>,
}

const BENCH: &str = "\
The brightness moves by one percent, or by what the lamp tells apart, and is put back
at the end. Writes come faster and faster until the lamp loses some, or the link takes no more.

Examples:
  bulbctl bench Light-Desk --save before.json       then flash the new firmware
  bulbctl bench Light-Desk --compare before.json
  bulbctl bench --compare before.json after.json";

/// What `bench` can measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum BenchPart {
    Connect,
    Discovery,
    Latency,
    Rate,
}

/// `bench --compare OLD NEW`: needs no radio.
pub(crate) fn compare(args: &Bench, printer: &Printer) -> Result<()> {
    let [old, new] = args.compare.as_slice() else {
        return Err(Error::Usage("bench needs a TARGET, or --compare with two measurements".to_owned()));
    };
    let (old, new) = (SavedBench::read(old)?, SavedBench::read(new)?);
    printer.record(&Record::Comparison(ComparisonRecord::of(&old, &new)))
}

pub(crate) async fn run(args: &Bench, context: &Context<'_>) -> Result<()> {
    let old = match args.compare.as_slice() {
        [] => None,
        [old] => Some(SavedBench::read(old)?),
        _ => return Err(Error::Usage("a TARGET is compared with one measurement, not with two".to_owned())),
    };
    let text = args.target.as_deref().unwrap_or_default();
    let target = context.target(text)?;
    let mut found = context.find(&target, context.deadline()).await?;
    if let Some((_, error)) = found.failures.pop() {
        return Err(error);
    }
    let (Some(device), true) = (found.bulbs.pop(), found.bulbs.is_empty()) else {
        return Err(Error::Usage(
            "bench measures one bulb: others on the air would be in its figures".to_owned(),
        ));
    };
    let plan = BenchPlan {
        rounds: args.rounds,
        warm_up: args.warm_up,
        parts: parts(&args.only),
        brightness: args.brightness,
        timeout: context.timeout,
    };
    let radio = Arc::clone(context.radio().await?);
    let restorer = Restorer::new(Arc::clone(&radio), device.clone());
    let way_back = restorer.clone();
    context.at_exit(async move {
        way_back.run().await;
    });
    let label = device.label();
    let progress = context.progress(format!("measuring {label}"));
    let measured = measure(&radio, &device, &context.families, &plan, &restorer, |doing| {
        tracing::info!("{label}: {doing}");
    });
    let measured = measured.await?;
    drop(progress);
    let body = Record::Bench(Box::new(BenchRecord::of(text, &device, &radio.adapter(), &plan, &measured)));
    let line = json_line(&body)?;
    if let Some(path) = &args.save {
        write(path, format!("{line}\n").as_bytes())?;
    }
    context.printer.record(&body)?;
    match old {
        Some(old) => {
            let new = SavedBench::parse(&line).map_err(Error::Internal)?;
            context.printer.record(&Record::Comparison(ComparisonRecord::of(&old, &new)))
        }
        None => Ok(()),
    }
}

/// What is to be measured; all where nothing is named.
fn parts(only: &[BenchPart]) -> Vec<Part> {
    if only.is_empty() {
        return vec![Part::Connect, Part::Discovery, Part::Latency, Part::Rate];
    }
    let part = |part: &BenchPart| match part {
        BenchPart::Connect => Part::Connect,
        BenchPart::Discovery => Part::Discovery,
        BenchPart::Latency => Part::Latency,
        BenchPart::Rate => Part::Rate,
    };
    only.iter().map(part).collect()
}
