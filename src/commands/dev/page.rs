//! What `dev` shows. Every piece is a function from facts to text, ending with an empty line.

use std::fmt::Write as _;

use serde_json::Value;
use url::Url;

use crate::commands::terminal::{Palette, printable};
use crate::dev::trial::{Trial, shell_quoted};
use crate::wiring::reviewer::Answer;

/// A sample and what became of it.
pub(super) struct Row {
    pub(super) file: String,
    pub(super) is_good: bool,
    pub(super) verdict: Verdict,
}

/// What became of a sample.
pub(super) enum Verdict {
    Accepted { username: String, groups: Vec<String> },
    Refused { reason: String },
    Undecided { why: String },
}

impl Row {
    /// Whether the good token was accepted, or a bad one refused.
    pub(super) fn is_as_expected(&self) -> bool {
        match self.verdict {
            Verdict::Accepted { .. } => self.is_good,
            Verdict::Refused { .. } => !self.is_good,
            Verdict::Undecided { .. } => false,
        }
    }
}

/// What runs, and where.
pub(super) fn heading(trial: &Trial, palette: Palette) -> String {
    let title = palette.bold("countersign dev");
    let subtitle = palette.dim("a throw-away issuer, certificates and the webhook, all on this machine");
    let mut text = format!("{title}  {subtitle}\n\n");
    for (name, value) in [
        ("webhook", trial.webhook().to_string()),
        ("issuer", trial.issuer().url().to_owned()),
        ("metrics", format!("http://{}/metrics", trial.admin_address())),
        ("files", trial.folder().path().display().to_string()),
    ] {
        let _ = writeln!(text, "  {name:<8} {value}");
    }
    text.push('\n');
    text
}

/// A question and its answer, as they went over the wire, except that the token is cut short.
pub(super) fn exchange(url: &Url, request: &Value, answer: &Answer, palette: Palette) -> String {
    let target = format!("{}?{}", url.path(), url.query().unwrap_or_default());
    let status = format!("{} in {} ms", answer.status, answer.elapsed.as_millis());
    let reply = answer.document.clone().unwrap_or_default();
    format!(
        "{}\n\n  POST {target}\n{}\n  {status}\n{}\n",
        palette.bold("One TokenReview, as kube-apiserver posts it"),
        indented(request),
        indented(&reply),
    )
}

/// All samples, one line each.
pub(super) fn table(rows: &[Row], palette: Palette) -> String {
    let mut text = format!("{}\n\n", palette.bold("Three tokens, three verdicts"));
    let width = rows.iter().map(|row| row.file.len()).max().unwrap_or_default();
    for row in rows {
        let (verdict, detail) = match &row.verdict {
            Verdict::Accepted { username, groups } => (
                palette.green("accepted"),
                format!("as {}, groups {}", printable(username), printable(&groups.join(", "))),
            ),
            Verdict::Refused { reason } => (palette.red("refused "), printable(reason).into_owned()),
            Verdict::Undecided { why } => (palette.yellow("no idea "), printable(why).into_owned()),
        };
        let _ = writeln!(text, "  {:<width$}  {verdict}  {detail}", row.file);
    }
    text.push('\n');
    text
}

/// Lines to paste. The folder is a variable, so that they stay short enough to read.
pub(super) fn next_steps(trial: &Trial, palette: Palette) -> String {
    let folder = shell_quoted(trial.folder().path());
    let webhook = trial.webhook();
    let mut text = format!("{}\n\n  D={folder}\n\n", palette.bold("Paste next"));
    let metrics = format!("curl -s http://{}/metrics | grep ^countersign_reviews", trial.admin_address());
    for (comment, lines) in [
        (
            "the same review by hand; then with review-expired.json",
            vec![
                "curl --cacert $D/ca.crt --cert $D/caller.crt --key $D/caller.key \\".to_owned(),
                format!("     -H 'Content-Type: application/json' --data @$D/review-good.json {webhook}"),
            ],
        ),
        (
            "what kube-apiserver would make of the answer",
            vec!["countersign review --kubeconfig $D/webhook.kubeconfig --token-file $D/good.jwt".to_owned()],
        ),
        (
            "why a token is refused, step by step",
            vec!["countersign explain --config $D/config.yaml --token-file $D/expired.jwt".to_owned()],
        ),
        ("how often what was answered", vec![metrics]),
        (
            "two flags, and an API server on this machine asks here",
            vec![
                "kube-apiserver --authentication-token-webhook-config-file=$D/webhook.kubeconfig \\".to_owned(),
                "     --authentication-token-webhook-version=v1 …".to_owned(),
            ],
        ),
    ] {
        let _ = writeln!(text, "  {}", palette.dim(&format!("# {comment}")));
        for line in lines {
            let _ = writeln!(text, "  {line}");
        }
        text.push('\n');
    }
    text
}

/// The last line: from here on the log goes on.
pub(super) fn serving(palette: Palette) -> String {
    format!("{}\n", palette.dim("Serving until Ctrl-C. Refused reviews are logged below."))
}

fn indented(document: &Value) -> String {
    let pretty = serde_json::to_string_pretty(document).unwrap_or_default();
    pretty.lines().map(|line| format!("  {line}\n")).collect()
}

#[cfg(test)]
mod tests;
