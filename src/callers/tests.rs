use std::net::{IpAddr, Ipv4Addr};

use http::HeaderValue;
use proptest::prelude::*;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, SanType,
    date_time_ymd,
};

use super::*;
use crate::clock::{ManualClock, UnixTime};

/// 2026-06-01
const NOW: UnixTime = UnixTime::from_seconds(1_780_272_000);

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2040, 1, 1));
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn pem(&self) -> Vec<u8> {
        self.0.pem().into_bytes()
    }

    /// A client certificate that is good until 2027, with one deviation.
    fn client(&self, deviate: impl FnOnce(&mut CertificateParams)) -> Vec<CertificateDer<'static>> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "kube-apiserver");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        (params.not_before, params.not_after) = (date_time_ymd(2025, 1, 1), date_time_ymd(2027, 1, 1));
        deviate(&mut params);
        let key = KeyPair::generate().unwrap();
        vec![params.signed_by(&key, &self.0).unwrap().der().clone()]
    }
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(NOW))
}

fn callers(authority: Option<&Authority>, names: &[&str], tokens: &[&str], anonymous: bool) -> Arc<Callers> {
    callers_at(clock(), authority, names, tokens, anonymous)
}

fn callers_at(
    clock: Arc<ManualClock>,
    authority: Option<&Authority>,
    names: &[&str],
    tokens: &[&str],
    anonymous: bool,
) -> Arc<Callers> {
    let authority = authority.map(Authority::pem);
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let settings = Settings {
        authority: authority.as_deref(),
        allowed_names: &names,
        bearer_tokens: tokens.iter().map(|token| token.as_bytes()).collect(),
        anonymous,
    };
    Arc::new(Callers::new(&settings, clock).unwrap())
}

fn with(authorization: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, HeaderValue::from_str(authorization).unwrap());
    headers
}

fn nobody() -> Peer {
    Peer::new(None)
}

#[test]
fn a_certificate_of_the_authority_is_let_in() {
    let authority = Authority::new("callers");
    let peer = Peer::new(Some(&authority.client(|_| {})));
    assert_eq!(callers(Some(&authority), &[], &[], false).judge(&peer, &HeaderMap::new()), Ok(()));
}

#[test]
fn h6_certificates_that_are_not_good_are_refused() {
    let (authority, other) = (Authority::new("callers"), Authority::new("callers"));
    let callers = callers(Some(&authority), &[], &[], false);
    let deviations: [(&str, Vec<CertificateDer<'static>>); 5] = [
        ("of another authority with the same name", other.client(|_| {})),
        ("expired", authority.client(|params| params.not_after = date_time_ymd(2026, 5, 31))),
        ("not yet valid", authority.client(|params| params.not_before = date_time_ymd(2026, 6, 2))),
        (
            "for servers",
            authority.client(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]),
        ),
        ("garbage", vec![CertificateDer::from(vec![0x30, 0x03, 0x02, 0x01, 0x00])]),
    ];
    for (what, chain) in deviations {
        let peer = Peer::new(Some(&chain));
        assert_eq!(callers.judge(&peer, &HeaderMap::new()), Err(Stranger::Certificate), "{what}");
    }
    assert_eq!(callers.judge(&nobody(), &HeaderMap::new()), Err(Stranger::Unknown));
}

#[test]
fn h6_names_are_compared_exactly_with_common_name_and_dns_names() {
    let authority = Authority::new("callers");
    let judge = |names: &[&str], chain: &[CertificateDer<'static>]| {
        callers(Some(&authority), names, &[], false).judge(&Peer::new(Some(chain)), &HeaderMap::new())
    };
    let by_common_name = authority.client(|_| {});
    assert_eq!(judge(&["other", "kube-apiserver"], &by_common_name), Ok(()));
    for near_miss in ["Kube-apiserver", "kube-apiserver ", "kube", "kube-apiserver.example.com", "*"] {
        assert_eq!(judge(&[near_miss], &by_common_name), Err(Stranger::Name), "{near_miss}");
    }
    let by_dns = authority.client(|params| {
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.subject_alt_names = vec![SanType::DnsName("api.example.com".try_into().unwrap())];
    });
    assert_eq!(judge(&["api.example.com"], &by_dns), Ok(()));
    assert_eq!(judge(&["example.com"], &by_dns), Err(Stranger::Name));
    let by_address = authority.client(|params| {
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.subject_alt_names = vec![SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST))];
    });
    assert_eq!(judge(&["127.0.0.1"], &by_address), Err(Stranger::Name));
}

#[test]
fn h6_a_name_with_a_zero_byte_is_not_the_name_before_it() {
    let authority = Authority::new("callers");
    let chain = authority.client(|params| {
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "kube-apiserver\0.evil.example");
    });
    let callers = callers(Some(&authority), &["kube-apiserver"], &[], false);
    assert_eq!(callers.judge(&Peer::new(Some(&chain)), &HeaderMap::new()), Err(Stranger::Name));
}

#[test]
fn h6_no_header_makes_anyone_a_caller() {
    let callers = callers(Some(&Authority::new("callers")), &[], &["0123456789abcdef"], false);
    let mut headers = HeaderMap::new();
    for name in ["x-forwarded-client-cert", "x-client-cert", "x-remote-user", "x-ssl-client-cn", "forwarded"] {
        headers.insert(name, HeaderValue::from_static("kube-apiserver"));
    }
    assert_eq!(callers.judge(&nobody(), &headers), Err(Stranger::Unknown));
}

#[test]
fn h7_each_of_several_bearer_tokens_is_let_in_and_nothing_near_them() {
    let callers = callers(None, &[], &["first-0123456789ab", "second-0123456789"], false);
    let judge = |authorization: &str| callers.judge(&nobody(), &with(authorization));
    for good in ["Bearer first-0123456789ab", "bearer second-0123456789", "BEARER first-0123456789ab"] {
        assert_eq!(judge(good), Ok(()), "{good}");
    }
    for bad in [
        "Bearer first-0123456789a",
        "Bearer first-0123456789abc",
        "Bearer  first-0123456789ab",
        "Bearer\tfirst-0123456789ab",
        "Bearer first-0123456789ab ",
        "Basic first-0123456789ab",
        "first-0123456789ab",
        "Bearer ",
        "Bearer",
        "",
        "Bearer first-0123456789ab,second-0123456789",
        "Bearer FIRST-0123456789AB",
    ] {
        assert_eq!(judge(bad), Err(Stranger::BearerToken), "{bad:?}");
    }
    assert_eq!(callers.judge(&nobody(), &HeaderMap::new()), Err(Stranger::Unknown));
}

#[test]
fn anonymous_callers_are_let_in_only_when_the_operator_says_so() {
    assert_eq!(callers(None, &[], &[], true).judge(&nobody(), &HeaderMap::new()), Ok(()));
    assert_eq!(callers(None, &[], &[], false).judge(&nobody(), &HeaderMap::new()), Err(Stranger::Unknown));
}

#[test]
fn j7_replaced_trust_ends_open_connections_with_the_next_request() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let peer = Peer::new(Some(&old.client(|_| {})));
    assert_eq!(callers(Some(&old), &[], &[], false).judge(&peer, &HeaderMap::new()), Ok(()));
    assert_eq!(callers(Some(&new), &[], &[], false).judge(&peer, &HeaderMap::new()), Err(Stranger::Certificate));
    assert_eq!(callers(Some(&old), &["other"], &[], false).judge(&peer, &HeaderMap::new()), Err(Stranger::Name));
}

#[test]
fn j7_a_certificate_that_expires_ends_its_connection_within_the_recheck() {
    let authority = Authority::new("callers");
    let clock = clock();
    let callers = callers_at(Arc::clone(&clock), Some(&authority), &[], &[], false);
    let peer = Peer::new(Some(&authority.client(|params| params.not_after = date_time_ymd(2026, 6, 2))));
    assert_eq!(callers.judge(&peer, &HeaderMap::new()), Ok(()));
    clock.advance(Duration::from_secs(2 * 86_400));
    assert_eq!(callers.judge(&peer, &HeaderMap::new()), Err(Stranger::Certificate));
}

proptest! {
    #[test]
    fn h7_no_other_token_is_let_in(token in "[!-~]{1,40}") {
        prop_assume!(token != "0123456789abcdef");
        let callers = callers(None, &[], &["0123456789abcdef"], false);
        prop_assert_eq!(callers.judge(&nobody(), &with(&format!("Bearer {token}"))), Err(Stranger::BearerToken));
    }
}

#[test]
fn a_handshake_with_this_judge_stands_for_the_certificate_but_not_for_the_name_nor_for_another_judge() {
    let (authority, other) = (Authority::new("callers"), Authority::new("others"));
    // Which the handshake would have refused: what is not verified again is taken.
    let foreign = other.client(|_| {});
    let judge = callers(Some(&authority), &["kube-apiserver"], &[], false);
    assert_eq!(judge.judge(&judge.peer(Some(&foreign)), &HeaderMap::new()), Ok(()));
    let named_otherwise = callers(Some(&authority), &["somebody"], &[], false);
    assert_eq!(named_otherwise.judge(&named_otherwise.peer(Some(&foreign)), &HeaderMap::new()), Err(Stranger::Name));
    let next = callers(Some(&authority), &["kube-apiserver"], &[], false);
    assert_eq!(next.judge(&judge.peer(Some(&foreign)), &HeaderMap::new()), Err(Stranger::Certificate));
}

#[test]
fn what_the_handshake_found_is_found_out_again_after_a_while() {
    let (authority, other, clock) = (Authority::new("callers"), Authority::new("others"), clock());
    let judge = callers_at(Arc::clone(&clock), Some(&authority), &[], &[], false);
    let peer = judge.peer(Some(&other.client(|_| {})));
    assert_eq!(judge.judge(&peer, &HeaderMap::new()), Ok(()));
    clock.advance(RECHECK);
    assert_eq!(judge.judge(&peer, &HeaderMap::new()), Err(Stranger::Certificate));
}
