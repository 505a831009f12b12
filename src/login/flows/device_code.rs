//! Device authorization (RFC 8628): the person enters a code on another device, while we ask whether it is done.

use std::time::Duration;

use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;
use serde_json::Value;
use url::Url;
use zeroize::Zeroizing;

use super::answer::{self, Origin};
use super::form::Form;
use super::{Context, FlowError, bounded};
use crate::login::tokens::Tokens;

/// Section 3.2: what holds when the provider names no interval.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(5);
/// Section 3.5: what `slow_down` adds.
const SLOW_DOWN: Duration = Duration::from_secs(5);
/// No provider means to be asked more often, or more seldom.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);
const LONGEST_INTERVAL: Duration = Duration::from_secs(60);
/// Longer codes are not typed by people.
const MAX_CODE: usize = 40;

/// Logs in by code. `pause` waits between two questions.
pub(super) async fn log_in(context: &Context<'_>, pause: impl AsyncFn(Duration)) -> Result<Tokens, FlowError> {
    let metadata = &context.provider.metadata;
    let url = metadata.need(metadata.device_authorization_endpoint.as_ref(), "device_authorization_endpoint")?;
    let form = context.with_scopes(Form::default()).with_all(context.audience());
    let mut started = context.post(url, form).await?;
    answer::check_status(&started, context.issuer())?;
    let code =
        DeviceCode::read(&mut started.members).ok_or_else(|| FlowError::not_usable(url, started.status, true))?;
    for line in code.instructions() {
        context.prompt.say(&line);
    }
    bounded(context.settings, poll(context, &code, pause)).await
}

async fn poll(context: &Context<'_>, code: &DeviceCode, pause: impl AsyncFn(Duration)) -> Result<Tokens, FlowError> {
    let url = context.provider.metadata.token_endpoint()?;
    let mut interval = code.interval;
    let mut left = code.expires_in;
    while left >= interval {
        pause(interval).await;
        left -= interval;
        let form = Form::for_grant("urn:ietf:params:oauth:grant-type:device_code").with("device_code", &code.secret);
        let answer = match context.post(url, form).await {
            Ok(answer) => answer,
            // Section 3.5: a provider that does not answer is asked again, and less often.
            Err(FlowError::Outbound(_)) => {
                interval = (interval * 2).min(LONGEST_INTERVAL);
                continue;
            }
            Err(error) => return Err(error),
        };
        match answer.members.get("error").and_then(Value::as_str) {
            Some("authorization_pending") => {}
            Some("slow_down") => interval = (interval + SLOW_DOWN).min(LONGEST_INTERVAL),
            _ => return answer::accept(context, answer, Origin::Direct).await,
        }
    }
    Err(FlowError::refused(context.issuer(), "expired_token", None))
}

/// A device authorization answer.
struct DeviceCode {
    secret: Zeroizing<String>,
    user_code: String,
    verification: Url,
    verification_complete: Option<Url>,
    expires_in: Duration,
    interval: Duration,
}

impl DeviceCode {
    fn read(members: &mut serde_json::Map<String, Value>) -> Option<Self> {
        let Some(Value::String(secret)) = members.remove("device_code") else { return None };
        let text = |name: &str| members.get(name).and_then(Value::as_str);
        // An address that people are sent to must be as safe as the one that we would go to.
        let address =
            |name: &str| text(name).and_then(|text| Url::parse(text).ok()).filter(|url| url.scheme() == "https");
        let seconds = |name: &str| members.get(name).and_then(Value::as_u64).map(Duration::from_secs);
        let user_code = text("user_code").filter(|code| !code.is_empty() && code.chars().count() <= MAX_CODE)?;
        Some(Self {
            secret: Zeroizing::new(secret),
            user_code: user_code.escape_default().to_string(),
            // Google's old spelling has no `i`.
            verification: address("verification_uri").or_else(|| address("verification_url"))?,
            verification_complete: address("verification_uri_complete"),
            expires_in: seconds("expires_in")?,
            interval: seconds("interval").unwrap_or(DEFAULT_INTERVAL).clamp(SHORTEST_INTERVAL, LONGEST_INTERVAL),
        })
    }

    fn instructions(&self) -> Vec<String> {
        let mut lines =
            vec![format!("To log in, open {} on any device and enter the code {}", self.verification, self.user_code)];
        if let Some(complete) = &self.verification_complete {
            lines.push(format!("or open {complete} and check that it shows the same code."));
        }
        let target = self.verification_complete.as_ref().unwrap_or(&self.verification);
        // An address that is too long for a QR code is still there as text.
        if let Ok(code) = QrCode::new(target.as_str()) {
            // Bright modules as characters: terminals are dark more often than not, and scanners take both.
            let drawing = code.render::<Dense1x2>().dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build();
            lines.extend(drawing.lines().map(str::to_owned));
        }
        lines.push("Waiting for the login to be finished there (Ctrl-C ends the wait).".to_owned());
        lines
    }
}
