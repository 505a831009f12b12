//! The listeners' sections: `server` and `admin`.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::files::{Content, Files};
use super::report::Report;
use super::{Admin, Callers, Drain, Secret, Server, Tls, certificates, file, values};
use crate::clock::UnixTime;
use crate::findings::FieldPath;

const DEFAULT_ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 8443);
const DEFAULT_ADMIN_ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
/// The names under which stock clusters know their API server.
pub(super) const DEFAULT_API_AUDIENCES: [&str; 2] =
    ["https://kubernetes.default.svc", "https://kubernetes.default.svc.cluster.local"];
/// Long enough for an endpoint's removal to reach the API servers' load balancers.
const DEFAULT_LAME_DUCK: Duration = Duration::from_secs(5);
/// The API server's own time limit for a review: what is in flight longer has no reader.
const DEFAULT_DRAIN_TIMEOUT: Duration = Duration::from_secs(30);
/// Shorter secrets can be guessed.
const LEAST_TOKEN_BYTES: usize = 16;

/// Reads `server`, with the files that it names.
pub(super) fn server(
    section: Option<file::Server>,
    path: &FieldPath,
    now: UnixTime,
    files: &mut Files,
    report: &mut Report,
) -> Server {
    let section = section.unwrap_or_default();
    Server {
        address: values::address(section.address, DEFAULT_ADDRESS, &path.field("address"), report),
        tls: tls(section.tls.unwrap_or_default(), &path.field("tls"), now, files, report),
        callers: callers(section.callers.unwrap_or_default(), &path.field("callers"), now, files, report),
        api_audiences: api_audiences(section.api_audiences, &path.field("apiAudiences"), report),
        refusal_reasons: section.refusal_reasons.unwrap_or(false),
        drain: drain(section.drain.unwrap_or_default(), &path.field("drain"), report),
    }
}

/// Reads `admin`, whose address must differ from the server's.
pub(super) fn admin(section: Option<file::Admin>, server: &Server, path: &FieldPath, report: &mut Report) -> Admin {
    let path = path.field("address");
    let address = values::address(section.unwrap_or_default().address, DEFAULT_ADMIN_ADDRESS, &path, report);
    let other = server.address;
    let shares_interface = address.ip() == other.ip() || address.ip().is_unspecified() || other.ip().is_unspecified();
    if address.port() == other.port() && address.port() != 0 && shares_interface {
        let message = format!("takes the same port as server.address ({other})");
        report.error("address_conflict", &path, message, "choose another port");
    }
    Admin { address }
}

fn tls(section: file::Tls, path: &FieldPath, now: UnixTime, files: &mut Files, report: &mut Report) -> Tls {
    let certificate_path = path.field("certificateFile");
    let certificate = required_file(section.certificate_file, &certificate_path, files, report);
    let key_path = path.field("privateKeyFile");
    let key = required_file(section.private_key_file, &key_path, files, report);

    let chain = certificate
        .as_ref()
        .and_then(|certificate| certificates::server_chain(&certificate.bytes, &certificate_path, now, report));
    if let Some(key) = &key {
        certificates::server_key(&key.bytes, chain, &key_path, report);
        warn_if_world_readable(key, &key_path, report);
    }
    Tls {
        certificate_chain: certificate.map(|content| content.bytes.to_vec()).unwrap_or_default(),
        private_key: Secret::new(key.map(|content| content.bytes).unwrap_or_default()),
    }
}

fn callers(section: file::Callers, path: &FieldPath, now: UnixTime, files: &mut Files, report: &mut Report) -> Callers {
    let has_authority = section.client_certificate_authority_file.is_some();
    let token_files = section.bearer_token_files.unwrap_or_default();
    let anonymous = section.anonymous.unwrap_or(false);
    if !(has_authority || !token_files.is_empty() || anonymous) {
        let remedy = "name a clientCertificateAuthorityFile or bearerTokenFiles; nobody could post a review otherwise";
        report.missing(path, remedy);
    }
    if anonymous {
        let path = path.field("anonymous");
        if has_authority || !token_files.is_empty() {
            let message =
                "everybody who reaches the port may post reviews; the other ways to admit callers have no effect";
            report.warning("anonymous_callers", &path, message, "remove `anonymous`, or the others");
        } else {
            report.info("anonymous_callers", &path, "everybody who reaches the port may post reviews");
        }
    }
    Callers {
        client_ca: client_authority(section.client_certificate_authority_file, path, now, files, report),
        allowed_names: allowed_names(section.allowed_names, has_authority, &path.field("allowedNames"), report),
        bearer_tokens: bearer_tokens(&token_files, &path.field("bearerTokenFiles"), files, report),
        anonymous,
    }
}

fn client_authority(
    name: Option<String>,
    path: &FieldPath,
    now: UnixTime,
    files: &mut Files,
    report: &mut Report,
) -> Option<Vec<u8>> {
    let path = path.field("clientCertificateAuthorityFile");
    let content = values::file(&name?, &path, files, report)?;
    certificates::authorities(&content.bytes, &path, now, report);
    Some(content.bytes.to_vec())
}

fn allowed_names(
    names: Option<Vec<String>>,
    has_authority: bool,
    path: &FieldPath,
    report: &mut Report,
) -> Vec<String> {
    let Some(names) = names else { return Vec::new() };
    if !has_authority {
        let message = "names are those of client certificates, and there is no authority for them";
        report.error("invalid", path, message, "set clientCertificateAuthorityFile or remove this");
    }
    // It could be meant as "nobody" or as "no restriction".
    if names.is_empty() {
        let remedy = "name who may call, or remove the field to admit every certificate of the authority";
        report.error("empty_list", path, "is an empty list", remedy);
    }
    values::distinct_names(&names, path, report);
    names
}

fn bearer_tokens(names: &[String], path: &FieldPath, files: &mut Files, report: &mut Report) -> Vec<Secret> {
    let mut first_use: HashMap<&str, usize> = HashMap::new();
    let mut tokens: Vec<(usize, Secret)> = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let path = path.index(index);
        if !name.is_empty() && first_use.insert(name, index).is_some() {
            report.error("duplicate", &path, format!("{name:?} is there twice"), "keep one of them");
            continue;
        }
        let Some(content) = values::file(name, &path, files, report) else { continue };
        warn_if_world_readable(&content, &path, report);
        let Some(token) = bearer_token(&content, &path, report) else { continue };
        if let Some((other, _)) = tokens.iter().find(|(_, other)| *other == token) {
            let message = format!("has the same token as entry {other}");
            report.error("duplicate", &path, message, "keep one of them, or make a new token");
            continue;
        }
        tokens.push((index, token));
    }
    tokens.into_iter().map(|(_, token)| token).collect()
}

/// The token in a file: one line of printable ASCII, so that it fits into a header.
fn bearer_token(content: &Content, path: &FieldPath, report: &mut Report) -> Option<Secret> {
    let bytes: &[u8] = &content.bytes;
    let token = bytes.strip_suffix(b"\n").map_or(bytes, |line| line.strip_suffix(b"\r").unwrap_or(line));
    let fresh = "put a fresh random token on one line, for instance from: openssl rand -base64 32";
    let message = if token.is_empty() {
        "the file has no token"
    } else if token.iter().any(u8::is_ascii_whitespace) {
        "the file must hold one token, without spaces or further lines"
    } else if !token.iter().all(u8::is_ascii_graphic) {
        "the token has characters that do not fit into a header"
    } else if token.len() < LEAST_TOKEN_BYTES {
        "the token is shorter than 16 bytes"
    } else {
        return Some(Secret::from(token));
    };
    report.error("invalid_token", path, message, fresh);
    None
}

fn api_audiences(audiences: Option<Vec<String>>, path: &FieldPath, report: &mut Report) -> Vec<String> {
    let Some(audiences) = audiences else { return DEFAULT_API_AUDIENCES.map(str::to_owned).to_vec() };
    values::distinct_names(&audiences, path, report);
    if audiences.is_empty() {
        let message = "no token is good for the API server then, unless its own audiences name the API server";
        report.warning("no_api_audiences", path, message, "list what the API server has as --api-audiences");
    }
    audiences
}

fn drain(section: file::Drain, path: &FieldPath, report: &mut Report) -> Drain {
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    let lame_duck = Duration::ZERO..=minutes(5);
    let timeout = Duration::from_secs(1)..=minutes(10);
    Drain {
        lame_duck: values::duration(section.lame_duck, DEFAULT_LAME_DUCK, lame_duck, &path.field("lameDuck"), report),
        timeout: values::duration(section.timeout, DEFAULT_DRAIN_TIMEOUT, timeout, &path.field("timeout"), report),
    }
}

fn required_file(name: Option<String>, path: &FieldPath, files: &mut Files, report: &mut Report) -> Option<Content> {
    values::file(&name.unwrap_or_default(), path, files, report)
}

fn warn_if_world_readable(content: &Content, path: &FieldPath, report: &mut Report) {
    if content.is_world_readable {
        let remedy = "take the permission away: chmod o-r, or defaultMode: 0440 for a mounted Secret";
        report.warning("secret_readable_by_others", path, "every user of this machine can read the file", remedy);
    }
}
