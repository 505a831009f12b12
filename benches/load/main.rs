//! The load benchmark: what a review costs here, beside the limit and beside others: `cargo bench --bench load`.
//!
//! Servers run on the first core, questions come from the second, and the sides of a case take turns in every round, so that a
//! busy machine is busy for all of them. [`cases`] has what is measured, [`goals`] what it should come to; `README.md` in the
//! folder above says how to read it.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "it prints what it measured, and panics when it cannot"
)]

mod cases;
mod chart;
mod cluster;
mod fleet;
mod goals;
mod installed;
mod limit;
mod machine;
mod material;
mod measure;
mod report;
mod results;
mod servers;
mod verification;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;

use cases::Cases;
use fleet::Fleet;
use results::Results;

/// Measures what a TokenReview costs: countersign, the limit of the machine, and what others do.
#[derive(Parser)]
struct Arguments {
    /// How many rounds; each measures every side of every case once.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// For how long each side is measured in a round, in milliseconds.
    #[arg(long, default_value_t = 1000)]
    millis: u64,
    /// Only cases whose name has this in it.
    #[arg(long)]
    only: Option<String>,
    /// Leave out what takes a minute by itself: 1,000,000 tokens.
    #[arg(long)]
    quick: bool,
    /// Write everything that was measured here, as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the table of goals here, as Markdown.
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Write the chart here, as SVG.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// What cargo adds.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    if std::env::var_os(servers::ROLE).is_some() {
        let folder = std::env::args_os().nth(1).expect("the folder with its files");
        return limit::serve(Path::new(&folder));
    }
    let arguments = Arguments::parse();
    machine::pin(&[machine::GENERATOR_CORE]);
    let load = machine::load_average();
    if load > 0.5 {
        eprintln!("others are at work here (load average {load}): only ratios within a round mean anything");
    }
    let (fleet, duration) = (Fleet::start(), Duration::from_millis(arguments.millis));
    let mut cases = Cases::new(&fleet.material);
    let mut results = Results::default();
    for round in 1..=arguments.rounds {
        eprintln!("round {round} of {}", arguments.rounds);
        cases.round(&fleet, arguments.only.as_deref(), duration, &mut results);
    }
    if arguments.only.is_none() {
        fleet.figures(arguments.quick, duration, &mut results);
    }
    let goals = goals::all(&results);
    println!("{}", report::text(&results, &goals));
    let write = |path: &Option<PathBuf>, text: &dyn Fn() -> String| {
        if let Some(path) = path {
            std::fs::write(path, text()).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
    };
    write(&arguments.json, &|| report::json(&results, &goals));
    write(&arguments.markdown, &|| report::markdown(&goals));
    write(&arguments.svg, &|| chart::svg(&results));
}
