//! The report for people.

use std::fmt::Write as _;
use std::time::Duration;

use super::QUANTILES;
use crate::commands::terminal::{Palette, printable};
use crate::load::{Answer, Objective, Report, Shortfall};

/// How long the longest bar of the histogram is.
const BAR_WIDTH: u64 = 40;

/// One line while it is running.
pub(super) fn progress(report: &Report) -> String {
    let seconds = report.counted.as_secs();
    if report.counted.is_zero() {
        return "warming up".to_owned();
    }
    format!(
        "{seconds:>4} s  {:>9.0}/s  p50 {}  p99 {}  waiting {}  errors {}",
        report.rate(),
        latency(report.quantile(0.5)),
        latency(report.quantile(0.99)),
        report.waiting,
        report.errors()
    )
}

/// The whole report.
pub(super) fn report(report: &Report, objectives: &[Objective], shortfalls: &[Shortfall], palette: Palette) -> String {
    let mut text = String::new();
    let rate = format!("{:.0} answers a second", report.rate());
    let _ = writeln!(text, "{} over {:.1} s", palette.bold(&rate), report.counted.as_secs_f64());
    for (name, count) in answers(report) {
        let _ = writeln!(text, "  {name:<12} {count:>10}");
    }
    for (error, count) in &report.connection_errors {
        let _ = writeln!(text, "  {:<12} {count:>10}  {}", palette.yellow("connections"), printable(error));
    }
    let quantiles: Vec<String> = QUANTILES
        .iter()
        .map(|(name, share)| format!("{name} {}", latency(report.quantile(*share))))
        .chain([format!("max {}", latency(report.longest()))])
        .collect();
    let _ = writeln!(text, "{}  {}", palette.bold("latency"), quantiles.join("  "));
    histogram(&mut text, report, palette);
    for objective in objectives {
        let line = match shortfalls.iter().find(|shortfall| shortfall.objective == *objective) {
            None => format!("{}    {objective}", palette.green("met")),
            Some(shortfall) => format!("{} {objective}: it is {}", palette.red("missed"), shortfall.measured),
        };
        let _ = writeln!(text, "{line}");
    }
    text
}

/// What there was, and how often.
fn answers(report: &Report) -> Vec<(String, u64)> {
    let name = |answer: &Answer| match answer {
        Answer::Accepted => "accepted".to_owned(),
        Answer::Lost => "lost".to_owned(),
        Answer::Other(status) => format!("HTTP {status}"),
        Answer::Refused => "refused".to_owned(),
        Answer::TimedOut => "timed out".to_owned(),
        Answer::Undecided => "undecided".to_owned(),
    };
    let counted = report.answers.iter().map(|(answer, count)| (name(answer), *count));
    let unasked = (report.unasked > 0).then(|| ("never asked".to_owned(), report.unasked));
    counted.chain(unasked).collect()
}

fn histogram(text: &mut String, report: &Report, palette: Palette) {
    let bars = report.histogram();
    let most = bars.iter().map(|(_, count)| *count).max().unwrap_or_default().max(1);
    for (bound, count) in bars {
        let length = usize::try_from((count * BAR_WIDTH).div_ceil(most)).unwrap_or_default();
        let _ = writeln!(text, "  < {:>8} {count:>10} {}", time(bound), palette.dim(&"#".repeat(length)));
    }
}

/// A latency, or that of a question without an answer.
fn latency(latency: Option<Duration>) -> String {
    latency.map_or_else(|| "unanswered".to_owned(), time)
}

/// A time to three digits.
fn time(span: Duration) -> String {
    let micros = span.as_secs_f64() * 1e6;
    match micros {
        ..1e3 => format!("{micros:.0} us"),
        ..1e4 => format!("{:.2} ms", micros / 1e3),
        ..1e5 => format!("{:.1} ms", micros / 1e3),
        ..1e6 => format!("{:.0} ms", micros / 1e3),
        _ => format!("{:.2} s", micros / 1e6),
    }
}
