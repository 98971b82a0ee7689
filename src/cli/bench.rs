//! `bench`.

use std::path::PathBuf;
use std::sync::Arc;

use bulb_protocol::Percent;
use clap::{Args, ValueEnum, ValueHint};

use super::args::{Wait, percent};
use super::check::write;
use super::context::Context;
use crate::bulb::Restorer;
use crate::error::{Error, Result};
use crate::measure::{BenchPlan, Part, measure};
use crate::output::{BenchRecord, ComparisonRecord, Printer, Record, SavedBench, json_line};

#[derive(Debug, Args)]
#[command(after_help = BENCH)]
pub(crate) struct Bench {
    /// Bulb to measure: an address, a name or an alias
    #[arg(required_unless_present = "compare")]
    pub(crate) target: Option<String>,
    #[command(flatten)]
    pub(crate) wait: Wait,
    /// Number of measured rounds
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) rounds: u32,
    /// Number of rounds before these that are not measured
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(0..=1_000))]
    pub(crate) warm_up: u32,
    /// Only measure connect, discovery, latency or rate; several with commas
    #[arg(long, value_enum, value_name = "PART", value_delimiter = ',', hide_possible_values = true)]
    pub(crate) only: Vec<BenchPart>,
    /// Brightness to measure around [default: the reported one]. A bulb that reports none stays at it
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    pub(crate) brightness: Option<Percent>,
    /// Save the measurement to this file, for --compare
    #[arg(long, value_name = "FILE", requires = "target", value_hint = ValueHint::FilePath)]
    pub(crate) save: Option<PathBuf>,
    /// Compare with a saved measurement; without TARGET, compare two saved ones
    #[arg(long, value_names = ["OLD", "NEW"], num_args = 1..=2, value_hint = ValueHint::FilePath)]
    pub(crate) compare: Vec<PathBuf>,
}

const BENCH: &str = "\
bench changes the brightness by two steps of the bulb (2 % on most), and restores it at the end.
It writes faster and faster until the bulb loses writes or the link is saturated.

Examples:
  bulbctl bench Light-Desk --save before.json       before you flash new firmware
  bulbctl bench Light-Desk --compare before.json
  bulbctl bench --compare before.json after.json";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum BenchPart {
    Connect,
    Discovery,
    Latency,
    Rate,
}

/// `bench --compare OLD NEW`, without a radio.
pub(crate) fn compare(args: &Bench, printer: &Printer) -> Result<()> {
    let [old, new] = args.compare.as_slice() else {
        return Err(Error::Usage("bench needs a TARGET, or --compare with two files".to_owned()));
    };
    let (old, new) = (SavedBench::read(old)?, SavedBench::read(new)?);
    printer.record(&Record::Comparison(ComparisonRecord::of(&old, &new)))
}

pub(crate) async fn run(args: &Bench, context: &Context<'_>) -> Result<()> {
    let old = match args.compare.as_slice() {
        [] => None,
        [old] => Some(SavedBench::read(old)?),
        _ => return Err(Error::Usage("with a TARGET, give --compare one file".to_owned())),
    };
    let text = args.target.as_deref().unwrap_or_default();
    let target = context.target(text)?;
    let mut found = context.find(&target, args.wait).await?;
    if let Some((_, error)) = found.failures.pop() {
        return Err(error);
    }
    let (Some(device), true) = (found.bulbs.pop(), found.bulbs.is_empty()) else {
        return Err(Error::Usage(
            "bench measures one bulb at a time: traffic of others would distort the results".to_owned(),
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

/// All parts if `only` is empty.
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
