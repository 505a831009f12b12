//! The chart of the documentation: how many reviews one core answers, here and elsewhere.

use std::fmt::Write as _;

use crate::goals::{GARDENER, KUBERNETES, LIMIT, OURS, SIGNATURE, TABLE};
use crate::results::{Aspect, Results};

const WIDTH: f64 = 720.0;
const LABELS: f64 = 190.0;
const BAR: f64 = 20.0;
const STEP: f64 = 26.0;
const HEAD: f64 = 34.0;

/// One bar.
struct Bar {
    side: &'static str,
    value: f64,
}

/// Bars for reviews per second of one core's time: what is remembered, and what is verified.
pub(crate) fn svg(results: &Results) -> String {
    let per_core: Aspect = |sample| 1e6 / sample.cpu;
    let bars = |case: &str, sides: &[&'static str]| -> Vec<Bar> {
        let bar = |side: &&'static str| Some(Bar { side, value: results.spread(case, side, per_core)?.median });
        sides.iter().filter_map(bar).collect()
    };
    let groups = [
        ("Token seen before", bars("hit, h2 1x100", &[OURS, LIMIT, TABLE, KUBERNETES, GARDENER])),
        ("New token, RS256", bars("miss RS256, h2 1x100", &[OURS, SIGNATURE, KUBERNETES])),
    ];
    let height: f64 = groups.iter().map(|(_, bars)| HEAD + STEP * count(bars.len())).sum::<f64>() + 30.0;
    let mut svg = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="system-ui, sans-serif" font-size="13" role="img" aria-label="Reviews per second and core">
<style>
text {{ fill: #24292f }} .bar {{ fill: #9aa4b2 }} .ours {{ fill: #1f7a4d }} .head {{ font-weight: 600 }}
@media (prefers-color-scheme: dark) {{ text {{ fill: #e6edf3 }} .bar {{ fill: #5b6573 }} .ours {{ fill: #3fb27f }} }}
</style>
"#
    );
    let mut y = 4.0;
    for (title, bars) in &groups {
        let _ =
            writeln!(svg, r#"<text class="head" x="0" y="{}">{title}: reviews per second and core</text>"#, y + 16.0);
        y += HEAD;
        let most = bars.iter().map(|bar| bar.value).fold(1.0, f64::max);
        for Bar { side, value } in bars {
            let length = (WIDTH - LABELS - 80.0) * value / most;
            let class = if *side == OURS { "ours" } else { "bar" };
            let middle = y + BAR * 0.72;
            let _ = writeln!(svg, r#"<text x="{}" y="{middle}" text-anchor="end">{side}</text>"#, LABELS - 8.0);
            let _ = writeln!(
                svg,
                r#"<rect class="{class}" x="{LABELS}" y="{y}" width="{length:.1}" height="{BAR}" rx="3"/>"#
            );
            let _ =
                writeln!(svg, r#"<text x="{:.1}" y="{middle}">{}</text>"#, LABELS + length + 8.0, thousands(*value));
            y += STEP;
        }
    }
    svg + "</svg>\n"
}

#[expect(clippy::cast_precision_loss, reason = "a handful of bars")]
fn count(bars: usize) -> f64 {
    bars as f64
}

/// Three digits, and commas for the eye.
fn thousands(value: f64) -> String {
    let rounded = if value >= 10_000.0 { (value / 1000.0).round() * 1000.0 } else { (value / 100.0).round() * 100.0 };
    let digits = format!("{rounded:.0}");
    match digits.split_at_checked(digits.len().saturating_sub(3)) {
        Some((head, tail)) if !head.is_empty() => format!("{head},{tail}"),
        _ => digits,
    }
}
