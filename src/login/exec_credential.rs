//! What kubectl and the plugin say to each other: `KUBERNETES_EXEC_INFO` in, one ExecCredential out.
//!
//! Lenient in, strict out: unknown fields are overlooked, a missing variable means a run by hand, but an API version that
//! we do not speak is an error, because kubectl refuses an answer in any other than its own. Everything here is pure; the
//! environment is read and standard output written by [`get-token`](crate::commands).
//!
//! The cluster's extension `client.authentication.k8s.io/exec` may describe the login, so that one user entry serves many
//! clusters ([`LoginConfig`]); flags win over it.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::clock::UnixTime;

/// The environment variable that client-go sets.
pub const ENVIRONMENT: &str = "KUBERNETES_EXEC_INFO";

const GROUP: &str = "client.authentication.k8s.io/";

/// The version of the API that kubectl was configured with, which is the one it takes an answer in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ApiVersion {
    /// `client.authentication.k8s.io/v1`; also when nobody says.
    #[default]
    V1,
    /// `client.authentication.k8s.io/v1beta1`.
    V1Beta1,
}

impl ApiVersion {
    /// The `apiVersion` of documents.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::V1 => "client.authentication.k8s.io/v1",
            Self::V1Beta1 => "client.authentication.k8s.io/v1beta1",
        }
    }
}

/// What kubectl asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// The version to answer in.
    pub version: ApiVersion,
    /// Whether standard input is ours and a person can be asked. Not said: false.
    pub interactive: bool,
    /// The cluster, with `provideClusterInfo: true`.
    pub cluster: Option<Cluster>,
}

/// The cluster that the credential is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cluster {
    /// The API server's URL.
    pub server: String,
    /// The PEM of the authority that signs its certificate; the system's roots without it.
    pub certificate_authority: Option<String>,
    /// The name that its certificate has, if it is not the URL's host.
    pub tls_server_name: Option<String>,
    /// The proxy that leads to it.
    pub proxy: Option<String>,
    /// Whether nobody knows who answers there.
    pub insecure: bool,
    /// What the cluster's extension says about the login.
    pub login: LoginConfig,
}

/// The keys of the extension that we read. All are optional; others are left to other plugins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoginConfig {
    /// `issuer`: the provider's issuer URL.
    pub issuer: Option<String>,
    /// `clientId`.
    pub client_id: Option<String>,
    /// `audience`: what the token must be good for.
    pub audience: Option<String>,
    /// `scopes`: a list, or one string with spaces between.
    pub scopes: Option<Vec<String>>,
    /// `account`: the account to use, when several are stored.
    pub account: Option<String>,
    /// `grant`: as `--grant-type`.
    pub grant: Option<String>,
    /// `useAccessToken`: send the access token instead of the ID token.
    pub use_access_token: Option<bool>,
    /// `certificateAuthorityData`: base64 of the PEM of the provider's authority.
    pub certificate_authority_data: Option<String>,
}

/// A request that cannot be understood. No value is repeated: the extension belongs to whoever wrote the kubeconfig.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Not JSON, or not an object.
    #[error("{ENVIRONMENT} is not a JSON object; run this from kubectl, or unset the variable")]
    NotJson,
    /// Another kind of object.
    #[error("{ENVIRONMENT} is not an ExecCredential; run this from kubectl, or unset the variable")]
    OtherKind,
    /// An API version that is not spoken here, or none.
    #[error(
        "{ENVIRONMENT} asks for an API version that is not spoken here; set `apiVersion: client.authentication.k8s.io/v1` \
         in the kubeconfig's exec entry"
    )]
    OtherVersion,
    /// A key of the extension has the wrong type.
    #[error("spec.cluster.config.{key} must be {expected}; correct the cluster's extension in the kubeconfig")]
    WrongType {
        /// Which key.
        key: &'static str,
        /// What it must be.
        expected: &'static str,
    },
}

impl Request {
    /// Reads the variable's content.
    ///
    /// # Errors
    /// When it is not an ExecCredential of a version that is spoken here, or the extension has a key of the wrong type.
    pub fn parse(text: &str) -> Result<Self, RequestError> {
        let document: Value = serde_json::from_str(text).map_err(|_| RequestError::NotJson)?;
        let document = document.as_object().ok_or(RequestError::NotJson)?;
        if document.get("kind").is_some_and(|kind| kind != "ExecCredential") {
            return Err(RequestError::OtherKind);
        }
        let version = match document.get("apiVersion").and_then(Value::as_str).and_then(|name| name.strip_prefix(GROUP))
        {
            Some("v1") => ApiVersion::V1,
            Some("v1beta1") => ApiVersion::V1Beta1,
            _ => return Err(RequestError::OtherVersion),
        };
        let spec = document.get("spec").unwrap_or(&Value::Null);
        let cluster = match spec.get("cluster") {
            Some(cluster) if cluster.is_object() => Some(Cluster::parse(cluster)?),
            _ => None,
        };
        Ok(Self { version, interactive: spec.get("interactive") == Some(&Value::Bool(true)), cluster })
    }
}

impl Cluster {
    fn parse(cluster: &Value) -> Result<Self, RequestError> {
        use base64::Engine as _;
        let text = |name: &str| {
            let text = cluster.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
            text.map(str::to_owned)
        };
        let authority = text("certificate-authority-data");
        let authority = authority.and_then(|data| base64::prelude::BASE64_STANDARD.decode(data).ok());
        Ok(Self {
            server: text("server").unwrap_or_default(),
            certificate_authority: authority.and_then(|pem| String::from_utf8(pem).ok()),
            tls_server_name: text("tls-server-name"),
            proxy: text("proxy-url"),
            insecure: cluster.get("insecure-skip-tls-verify") == Some(&Value::Bool(true)),
            login: LoginConfig::parse(cluster.get("config").unwrap_or(&Value::Null))?,
        })
    }
}

impl LoginConfig {
    /// Reads the extension. What is no object has nothing to say.
    ///
    /// # Errors
    /// When a key has the wrong type.
    pub fn parse(config: &Value) -> Result<Self, RequestError> {
        let text = |key: &'static str| match config.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(RequestError::WrongType { key, expected: "a string" }),
        };
        let flag = |key: &'static str| match config.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(_) => Err(RequestError::WrongType { key, expected: "true or false" }),
        };
        Ok(Self {
            issuer: text("issuer")?,
            client_id: text("clientId")?,
            audience: text("audience")?,
            scopes: scopes(config.get("scopes"))?,
            account: text("account")?,
            grant: text("grant")?,
            use_access_token: flag("useAccessToken")?,
            certificate_authority_data: text("certificateAuthorityData")?,
        })
    }
}

fn scopes(value: Option<&Value>) -> Result<Option<Vec<String>>, RequestError> {
    const WRONG: RequestError = RequestError::WrongType { key: "scopes", expected: "a list of strings" };
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.split_ascii_whitespace().map(str::to_owned).collect())),
        Some(Value::Array(list)) => {
            let names: Option<Vec<String>> = list.iter().map(|name| name.as_str().map(str::to_owned)).collect();
            names.map(Some).ok_or(WRONG)
        }
        Some(_) => Err(WRONG),
    }
}

/// A token that cannot travel in an `Authorization` header.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the token has characters that no HTTP header takes, or none at all; the provider or the token file is at fault"
)]
pub struct UnfitToken;

/// The ExecCredential to print, with the newline at its end. Without an end, kubectl uses the token until it is refused.
///
/// # Errors
/// When the token would break the request that carries it.
pub fn answer(version: ApiVersion, token: &str, expires_at: Option<UnixTime>) -> Result<Zeroizing<String>, UnfitToken> {
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(UnfitToken);
    }
    let credential = ExecCredential {
        api_version: version.name(),
        kind: "ExecCredential",
        status: Status { expiration_timestamp: expires_at.map(rfc3339), token },
    };
    // Room for the whole text: a buffer that grows would leave copies of the token behind.
    let mut text = Zeroizing::new(Vec::with_capacity(token.len() * 2 + 256));
    serde_json::to_writer(&mut *text, &credential).map_err(|_| UnfitToken)?;
    text.push(b'\n');
    String::from_utf8(std::mem::take(&mut *text)).map(Zeroizing::new).map_err(|_| UnfitToken)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ExecCredential<'a> {
    api_version: &'a str,
    kind: &'a str,
    status: Status<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Status<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    expiration_timestamp: Option<String>,
    token: &'a str,
}

/// The end (`exp`) of a JWT that nobody has verified: only to tell kubectl when to ask again, never to trust it.
#[must_use]
pub fn unverified_expiry(token: &str) -> Option<UnixTime> {
    use base64::Engine as _;
    #[derive(Deserialize)]
    struct Claims {
        exp: Option<serde_json::Number>,
    }
    let payload = token.split('.').nth(1)?;
    let payload = Zeroizing::new(base64::prelude::BASE64_URL_SAFE_NO_PAD.decode(payload).ok()?);
    let exp = serde_json::from_slice::<Claims>(&payload).ok()?.exp?;
    exp.as_u64()
        .or_else(|| exp.as_f64().filter(|seconds| *seconds >= 0.0).map(|seconds| seconds as u64))
        .map(UnixTime::from_seconds)
}

/// A moment as Kubernetes writes it: `2006-01-02T15:04:05Z`.
#[must_use]
pub fn rfc3339(time: UnixTime) -> String {
    const DAY: u64 = 86_400;
    let (days, second) = (time.seconds() / DAY, time.seconds() % DAY);
    let (year, month, day) = civil(days);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60)
}

/// The Gregorian date of a day since 1970-01-01. Years are counted from March, so that the leap day comes last.
const fn civil(days: u64) -> (u64, u64, u64) {
    const DAYS_IN_400_YEARS: u64 = 146_097;
    const FROM_MARCH_0000: u64 = 719_468;
    let shifted = days + FROM_MARCH_0000;
    let (era, day_of_era) = (shifted / DAYS_IN_400_YEARS, shifted % DAYS_IN_400_YEARS);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn request(document: &Value) -> Result<Request, RequestError> {
        Request::parse(&document.to_string())
    }

    fn info() -> Value {
        json!({"kind": "ExecCredential", "apiVersion": "client.authentication.k8s.io/v1", "spec": {"interactive": true}})
    }

    #[test]
    fn both_versions_are_read() {
        let mut document = info();
        assert_eq!(request(&document), Ok(Request { interactive: true, ..Request::default() }));
        document["apiVersion"] = "client.authentication.k8s.io/v1beta1".into();
        document["spec"]["interactive"] = false.into();
        assert_eq!(request(&document), Ok(Request { version: ApiVersion::V1Beta1, ..Request::default() }));
    }

    #[test]
    fn another_version_or_kind_is_refused() {
        for version in [json!("client.authentication.k8s.io/v1alpha1"), json!("v1"), json!(null), json!(1)] {
            let mut document = info();
            document["apiVersion"] = version;
            assert_eq!(request(&document), Err(RequestError::OtherVersion));
        }
        let mut document = info();
        document["kind"] = "TokenReview".into();
        assert_eq!(request(&document), Err(RequestError::OtherKind));
        for text in ["", "[]", "{", "null", "client"] {
            assert_eq!(Request::parse(text), Err(RequestError::NotJson), "{text}");
        }
    }

    #[test]
    fn the_extension_describes_the_login() {
        let mut document = info();
        document["spec"]["cluster"] = json!({"server": "https://a:6443", "proxy-url": "http://p", "tls-server-name": "kube",
            "certificate-authority-data": "cGVt", "insecure-skip-tls-verify": false, "config": {
            "issuer": "https://idp", "clientId": "kubectl", "audience": "kube", "scopes": ["email", "groups"],
            "account": "me", "grant": "device-code", "useAccessToken": true, "certificateAuthorityData": "LS0t", "other": {}}});
        let login = LoginConfig {
            issuer: Some("https://idp".to_owned()),
            client_id: Some("kubectl".to_owned()),
            audience: Some("kube".to_owned()),
            scopes: Some(vec!["email".to_owned(), "groups".to_owned()]),
            account: Some("me".to_owned()),
            grant: Some("device-code".to_owned()),
            use_access_token: Some(true),
            certificate_authority_data: Some("LS0t".to_owned()),
        };
        let cluster = Some(Cluster {
            server: "https://a:6443".to_owned(),
            certificate_authority: Some("pem".to_owned()),
            tls_server_name: Some("kube".to_owned()),
            proxy: Some("http://p".to_owned()),
            insecure: false,
            login,
        });
        assert_eq!(request(&document), Ok(Request { version: ApiVersion::V1, interactive: true, cluster }));
    }

    #[test]
    fn a_key_of_the_wrong_type_is_named() {
        let mut document = info();
        document["spec"]["cluster"] = json!({"config": {"scopes": ["a", 1]}});
        let expected =
            "spec.cluster.config.scopes must be a list of strings; correct the cluster's extension in the kubeconfig";
        assert_eq!(request(&document).unwrap_err().to_string(), expected);
        document["spec"]["cluster"] = json!({"config": {"issuer": 1}});
        assert_eq!(request(&document), Err(RequestError::WrongType { key: "issuer", expected: "a string" }));
    }

    #[test]
    fn an_extension_that_is_not_there_says_nothing() {
        for config in [json!(null), json!([]), json!("x"), json!({"scopes": null})] {
            let mut document = info();
            document["spec"]["cluster"] = json!({"server": "s", "config": config});
            let cluster = request(&document).unwrap().cluster.unwrap();
            assert_eq!(cluster, Cluster { server: "s".to_owned(), ..Cluster::default() });
        }
    }

    #[test]
    fn the_answer_is_one_object_in_the_version_that_was_asked_for() {
        let text = answer(ApiVersion::V1Beta1, "a.b.c", Some(UnixTime::from_seconds(1_700_000_000))).unwrap();
        assert_eq!(
            *text,
            "{\"apiVersion\":\"client.authentication.k8s.io/v1beta1\",\"kind\":\"ExecCredential\",\
             \"status\":{\"expirationTimestamp\":\"2023-11-14T22:13:20Z\",\"token\":\"a.b.c\"}}\n"
        );
        let text = answer(ApiVersion::V1, "t", None).unwrap();
        let document: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(document["status"], json!({"token": "t"}));
    }

    #[test]
    fn a_token_that_would_break_the_request_is_not_printed() {
        for token in ["", "a b", "a\n", "é", "a\"\u{0}"] {
            assert_eq!(answer(ApiVersion::V1, token, None), Err(UnfitToken), "{token:?}");
        }
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (1_798_761_599, "2026-12-31T23:59:59Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(rfc3339(UnixTime::from_seconds(seconds)), text);
        }
    }

    #[test]
    fn the_end_of_a_jwt_is_read_without_trusting_it() {
        use base64::Engine as _;
        let token = |claims: &str| format!("e30.{}.x", base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(claims));
        assert_eq!(unverified_expiry(&token("{\"exp\":1700000000}")), Some(UnixTime::from_seconds(1_700_000_000)));
        assert_eq!(unverified_expiry(&token("{\"exp\":1.7e9}")), Some(UnixTime::from_seconds(1_700_000_000)));
        for other in [token("{}"), token("{\"exp\":-1}"), token("{\"exp\":\"1\"}"), token("["), "opaque".to_owned()] {
            assert_eq!(unverified_expiry(&other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn no_request_makes_the_reader_panic(text in "\\PC*") {
            let _ = Request::parse(&text);
            let _ = unverified_expiry(&text);
        }
    }
}
