//! The results for people and for programs.

use std::fmt::Write as _;

use serde::Serialize;

use crate::goals::{Bound, Goal};
use crate::machine;
use crate::results::{Results, Row, Spread};

/// Everything, as JSON.
pub(crate) fn json(results: &Results, goals: &[Goal]) -> String {
    #[derive(Serialize)]
    struct Document<'a> {
        machine: String,
        goals: &'a [Goal],
        results: &'a Results,
    }
    let document = Document { machine: machine::description(), goals, results };
    serde_json::to_string_pretty(&document).expect("numbers and names have a JSON form") + "\n"
}

/// Everything, as tables for a terminal.
pub(crate) fn text(results: &Results, goals: &[Goal]) -> String {
    let mut text = format!("{}\n\n", machine::description());
    let _ = writeln!(
        text,
        "{:<36} {:<20} {:>9} {:>9} {:>8} {:>8} {:>9} {:>9} {:>9} {:>5}",
        "medians of all rounds", "", "per s", "worst", "CPU us", "worst", "p50 us", "p99 us", "p99.9 us", "gen"
    );
    let mut last = "";
    for row in &results.rows {
        let case = if row.case == last { "" } else { row.case.as_str() };
        last = &row.case;
        let _ = writeln!(text, "{case:<36} {}", row_text(row));
    }
    text.push('\n');
    for figure in &results.figures {
        let Spread { least, median, most } = figure.value;
        let _ = writeln!(text, "{:<36} {median:.2} {} ({least:.2} to {most:.2})", figure.name, figure.unit);
    }
    text.push('\n');
    for goal in goals {
        let mark = match goal.is_met() {
            Some(true) => "met",
            Some(false) => "MISSED",
            None => "skipped",
        };
        let [bound, measured, worst] = cells(goal);
        let _ = writeln!(text, "{:>2}  {:<60} {bound:>10} {measured:>9} {worst:>9}  {mark}", goal.number, goal.what);
    }
    text
}

fn row_text(row: &Row) -> String {
    let spread = |aspect: fn(&crate::measure::Sample) -> f64| {
        Spread::of(row.samples.iter().map(aspect).collect()).expect("a row has samples")
    };
    let (rate, cpu) = (spread(|sample| sample.rate), spread(|sample| sample.cpu));
    let median = |aspect| spread(aspect).median;
    format!(
        "{:<20} {:>9.0} {:>9.0} {:>8.2} {:>8.2} {:>9.0} {:>9.0} {:>9.0} {:>5.2}",
        row.side,
        rate.median,
        rate.least,
        cpu.median,
        cpu.most,
        median(|sample| sample.p50),
        median(|sample| sample.p99),
        median(|sample| sample.p999),
        median(|sample| sample.generator)
    )
}

/// The goals as a table for the documentation.
pub(crate) fn markdown(goals: &[Goal]) -> String {
    let mut text = format!(
        "{}\n\n| # | what | goal | measured | worst round | |\n|---|---|---|---|---|---|\n",
        machine::description()
    );
    for goal in goals {
        let mark = match goal.is_met() {
            Some(true) => "met",
            Some(false) => "**missed**",
            None => "not measured",
        };
        let [bound, measured, worst] = cells(goal);
        let _ = writeln!(text, "| {} | {} | {bound} | {measured} | {worst} | {mark} |", goal.number, goal.what);
    }
    text
}

/// The bound, the median and the worst round.
fn cells(goal: &Goal) -> [String; 3] {
    let unit = if goal.unit.is_empty() { String::new() } else { format!(" {}", goal.unit) };
    let bound = match goal.bound {
        Bound::AtLeast(bound) => format!("≥ {bound}{unit}"),
        Bound::AtMost(bound) => format!("≤ {bound}{unit}"),
    };
    let number = |value: Option<f64>| match value {
        None => "-".to_owned(),
        Some(value) if value >= 100.0 => format!("{value:.0}{unit}"),
        Some(value) => format!("{value:.2}{unit}"),
    };
    [bound, number(goal.measured.map(|measured| measured.median)), number(goal.worst())]
}
