//! What `dev` shows. Every piece is a function from facts to text, ending with an empty line.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde_json::Value;
use url::Url;

use crate::commands::output::compact;
use crate::commands::shell_quoted;
use crate::commands::terminal::{Palette, printable};
use crate::wiring::reviewer::Answer;

/// Columns that a terminal surely has.
const WIDTH: usize = 100;

/// Where everything is: all that the page says about a trial.
pub(super) struct Places {
    pub(super) webhook: Url,
    pub(super) issuer: String,
    pub(super) admin: SocketAddr,
    pub(super) folder: PathBuf,
}

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
pub(super) fn heading(places: &Places, palette: Palette) -> String {
    let title = palette.bold("countersign dev");
    let subtitle = palette.dim("a throw-away issuer, certificates and the webhook, all on this machine");
    let mut text = format!("{title}  {subtitle}\n\n");
    for (name, value) in [
        ("webhook", places.webhook.to_string()),
        ("issuer", places.issuer.clone()),
        ("metrics", format!("http://{}/metrics", places.admin)),
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
            Verdict::Undecided { why } => (palette.yellow("unclear "), printable(why).into_owned()),
        };
        let _ = writeln!(text, "  {:<width$}  {verdict}  {detail}", row.file);
    }
    text.push('\n');
    text
}

/// What was written, and what for.
pub(super) fn files(places: &Places, palette: Palette) -> String {
    let title = palette.bold(&format!("Files in {}", printable(&places.folder.to_string_lossy())));
    let mut text = format!("{title}\n\n");
    for (name, what) in [
        ("config.yaml", "what the webhook was started from"),
        ("authentication.yaml", "its issuers and claim mappings, as kube-apiserver would read them"),
        ("webhook.kubeconfig", "for kube-apiserver, with a client certificate"),
        ("good.jwt", "a token for the next 10 hours; review-good.json is the whole request"),
        ("expired.jwt, wrong-audience.jwt", "tokens to be refused, each with its request, too"),
        ("ca.crt, caller.crt, caller.key", "for curl: whom to trust, and whom to be"),
    ] {
        let _ = writeln!(text, "  {name:<31}  {}", palette.dim(what));
    }
    text.push('\n');
    text
}

/// Lines to paste. The folder is a variable, so that they stay short enough to read.
pub(super) fn next_steps(places: &Places, program: &str, palette: Palette) -> String {
    let Places { webhook, admin, folder, .. } = places;
    let title = palette.bold("Paste next");
    let mut text = format!("{title}\n\n  D={}\n\n", shell_quoted(folder));
    for (comment, lines) in [
        (
            "the same review by hand; then with review-expired.json",
            format!(
                "curl --cacert \"$D/ca.crt\" --cert \"$D/caller.crt\" --key \"$D/caller.key\" \\\n    \
                 -H 'Content-Type: application/json' --data \"@$D/review-good.json\" {webhook}"
            ),
        ),
        (
            "what kube-apiserver makes of it",
            format!("{program} review --kubeconfig \"$D/webhook.kubeconfig\" --token-file \"$D/good.jwt\""),
        ),
        (
            "why a token is refused, step by step",
            format!("{program} explain --config \"$D/config.yaml\" --token-file \"$D/expired.jwt\""),
        ),
        ("how often it said what", format!("curl -s http://{admin}/metrics | grep ^countersign_reviews")),
        (
            "flags for a kube-apiserver on this machine",
            "--authentication-token-webhook-config-file=\"$D/webhook.kubeconfig\" \\\n    \
             --authentication-token-webhook-version=v1"
                .to_owned(),
        ),
    ] {
        let _ = writeln!(text, "  {}", palette.dim(&format!("# {comment}")));
        let _ = writeln!(text, "  {}\n", lines.replace('\n', "\n  "));
    }
    text
}

/// The last line when the service goes on: from here on the log follows.
pub(super) fn serving(palette: Palette) -> String {
    format!("{}\n", palette.dim("Serving until Ctrl-C. Refused reviews are logged below."))
}

/// The last line when it does not.
pub(super) fn done(all_is_well: bool, palette: Palette) -> String {
    let verdict = if all_is_well {
        palette.green("Everything is as it should be.")
    } else {
        palette.red("A verdict is not as it should be.")
    };
    format!("{verdict} The files stay; without --once, so does the webhook.\n")
}

fn indented(document: &Value) -> String {
    compact(document, WIDTH).lines().map(|line| format!("  {line}\n")).collect()
}

#[cfg(test)]
mod tests;
