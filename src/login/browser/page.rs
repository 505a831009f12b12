//! The page that ends a login in the browser: who logged in where, and that the window can be closed.
//!
//! One self-contained answer: no script, nothing loaded, a content security policy that allows its one style by hash.
//! Every text in it is escaped, whoever wrote it. It reads well with a screen reader, in light and in dark, and small.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONNECTION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY};
use http::{Response, StatusCode};
use http_body_util::Full;

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1b2733;--dim:#566472;--paper:#f6f8fa;--card:#fff;--line:#d5dce3;--good:#12713a;--bad:#b3261e}\
@media(prefers-color-scheme:dark){:root{--ink:#e8edf2;--dim:#a3b0bc;--paper:#10161c;--card:#1a222b;--line:#36424e;--good:#6fd89a;--bad:#ff9d94}}\
*{box-sizing:border-box}\
body{margin:0;min-height:100vh;display:flex;align-items:center;justify-content:center;padding:1.5rem;background:var(--paper);color:var(--ink);font:1.0625rem/1.55 system-ui,sans-serif}\
main{width:100%;max-width:34rem;padding:2rem;background:var(--card);border:1px solid var(--line);border-radius:.75rem}\
h1{margin:0 0 .75rem;font-size:1.5rem;line-height:1.25}\
.good h1{color:var(--good)}.bad h1{color:var(--bad)}\
p{margin:0 0 1rem}p:last-child{margin:0;color:var(--dim)}\
dl{display:grid;grid-template-columns:max-content 1fr;gap:.35rem 1rem;margin:0 0 1.25rem}\
dt{color:var(--dim)}dd{margin:0;font-weight:600;overflow-wrap:anywhere}\
@media(max-width:26rem){dl{display:block}dd{margin:0 0 .5rem}}";

/// What ends a login.
pub(in crate::login) enum Page<'a> {
    /// It worked.
    Done {
        /// Who logged in.
        account: Option<&'a str>,
        /// What for.
        cluster: Option<&'a str>,
        /// Where.
        issuer: &'a str,
        /// As which client.
        client: &'a str,
    },
    /// It did not.
    Failed {
        /// Why.
        why: &'a str,
    },
    /// The request is not an answer to this login.
    Foreign,
}

impl Page<'_> {
    /// The page as an answer.
    pub(in crate::login) fn response(&self) -> Response<Full<Bytes>> {
        let status = match self {
            Self::Done { .. } => StatusCode::OK,
            Self::Failed { .. } | Self::Foreign => StatusCode::BAD_REQUEST,
        };
        answer(status, "text/html; charset=utf-8", self.html())
    }

    fn html(&self) -> String {
        let (kind, title, body) = match self {
            Self::Done { account, cluster, issuer, client } => {
                let rows = [
                    ("Account", *account),
                    ("Cluster", *cluster),
                    ("Provider", Some(issuer)),
                    ("Client", Some(client)),
                ];
                let rows = rows.into_iter().filter_map(|(name, value)| value.map(|value| (name, value)));
                let rows: String =
                    rows.map(|(name, value)| format!("<dt>{name}</dt><dd>{}</dd>", escaped(value))).collect();
                let close = "<p>You can close this window and go back to your terminal.</p>";
                ("good", "You are logged in", format!("<dl>{rows}</dl>{close}"))
            }
            Self::Failed { why } => {
                let close = "<p>Close this window and go back to your terminal.</p>";
                ("bad", "The login did not work", format!("<p>{}</p>{close}", escaped(why)))
            }
            Self::Foreign => (
                "bad",
                "This is not the login that is waiting",
                "<p>The answer belongs to another login, or to one that is over. It was not used.</p>\
                 <p>Finish the login in the window that was opened last, or run the command again.</p>"
                    .to_owned(),
            ),
        };
        format!(
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
             <title>{title} – countersign</title><style>{STYLE}</style></head>\
             <body><main class=\"{kind}\"><div role=\"status\"><h1>{title}</h1></div>{body}</main></body></html>"
        )
    }
}

/// A short answer for requests that no person makes.
pub(super) fn plain(status: StatusCode) -> Response<Full<Bytes>> {
    answer(status, "text/plain; charset=utf-8", format!("{status}\n"))
}

fn answer(status: StatusCode, content_type: &str, body: String) -> Response<Full<Bytes>> {
    let style = BASE64_STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    Response::builder()
        .status(status)
        .header(CONTENT_TYPE, content_type)
        .header(CONTENT_SECURITY_POLICY, policy)
        .header(CACHE_CONTROL, "no-store")
        // The address of the page has the code in it.
        .header(REFERRER_POLICY, "no-referrer")
        .header("x-content-type-options", "nosniff")
        .header(CONNECTION, "close")
        .body(Full::new(Bytes::from(body)))
        .expect("status and headers are fit")
}

/// Text as it may stand in HTML, in elements and quoted attributes. Invisible and direction-changing characters are shown.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' => {
                escaped.extend(character.escape_unicode());
            }
            control if control.is_control() => escaped.extend(control.escape_default()),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn k2_foreign_text_is_no_markup() {
        let page = Page::Done {
            account: Some("<script>alert('1')</script>\u{202e}"),
            cluster: Some("a\"b&c"),
            issuer: "https://idp.example",
            client: "kubectl",
        };
        let html = page.html();
        assert!(html.contains("<dd>&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;\\u{202e}</dd>"), "{html}");
        assert!(html.contains("<dd>a&quot;b&amp;c</dd>"), "{html}");
        assert!(!html.contains("<script"), "{html}");
    }

    #[test]
    fn k2_the_page_loads_nothing_and_tells_nobody_its_address() {
        let response = Page::Failed { why: "x" }.response();
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        assert!(header("content-security-policy").starts_with("default-src 'none'; style-src 'sha256-"));
        assert_eq!((header("referrer-policy"), header("cache-control")), ("no-referrer".into(), "no-store".into()));
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    }
}
