//! The load generator against the service itself.

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use countersign::load::{Answer, PATIENCE, Plan, Protocol, Rate, Target};
use countersign::wiring::kubeconfig::{ClientCertificate, Connection};
use countersign::wiring::pki::Authority;

use super::support::{API_AUDIENCE, Rig, review_body, validity};

/// Two tokens that take turns: one is good, one is for others.
fn bodies(rig: &Rig) -> Arc<[Box<[u8]>]> {
    let tokens = [rig.token().mint(), rig.token().audience("elsewhere").mint()];
    let body = |token: &countersign::token::BearerToken| review_body("v1", token.expose_secret(), &[API_AUDIENCE]);
    tokens.iter().map(|token| body(token).to_string().into_bytes().into_boxed_slice()).collect()
}

/// The kubeconfig of the API server.
fn connection(rig: &Rig, authority: &Authority) -> Connection {
    let caller = authority.client_certificate("kube-apiserver", &[], validity(&rig.clock)).unwrap();
    Connection {
        server: format!("{}/authenticate", rig.caller.base).parse().unwrap(),
        authority_pem: Some(authority.certificate_pem().into_bytes()),
        insecure: false,
        tls_server_name: None,
        proxy: None,
        client: Some(ClientCertificate {
            certificate_pem: caller.certificate_pem().into(),
            private_key_pem: caller.private_key_pem().as_bytes().to_vec().into(),
        }),
        bearer: None,
    }
}

/// So many questions, as fast as they are answered.
fn plan(rig: &Rig, protocol: Protocol, questions: u64) -> Plan {
    Plan {
        bodies: bodies(rig),
        connections: NonZeroUsize::new(3).unwrap(),
        streams: NonZeroUsize::new(20).unwrap(),
        protocol,
        rate: Rate::AsFastAsAnswered,
        warm_up: Duration::ZERO,
        duration: Duration::from_secs(60),
        most_questions: Some(questions),
        patience: PATIENCE,
        questions_per_connection: None,
    }
}

#[tokio::test]
async fn a_load_gets_one_answer_for_each_question_over_both_protocols() {
    let rig = Rig::start().await;
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let target = Target::new(&connection(&rig, &rig.authority), protocol).unwrap();
        let report = plan(&rig, protocol, 1000).prepare(target).run(&()).await;
        assert_eq!(report.answers, [(Answer::Accepted, 500), (Answer::Refused, 500)].into(), "{protocol:?}");
        assert_eq!((report.answered, report.unasked, report.connection_errors.len()), (1000, 0, 0), "{protocol:?}");
        assert!(
            report.quantile(0.5) > Some(Duration::ZERO) && report.quantile(0.5) <= report.longest(),
            "{protocol:?}"
        );
    }
}

#[tokio::test]
async fn a_connection_may_be_for_a_few_questions_only() {
    let rig = Rig::start().await;
    let handshakes = "countersign_tls_handshakes_total{result=\"done\"}";
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let before = rig.metric(handshakes).await;
        let target = Target::new(&connection(&rig, &rig.authority), protocol).unwrap();
        let plan = Plan { questions_per_connection: NonZeroU32::new(2), ..plan(&rig, protocol, 60) };
        let report = plan.prepare(target).run(&()).await;
        assert_eq!(report.answers, [(Answer::Accepted, 30), (Answer::Refused, 30)].into(), "{protocol:?}");
        assert!(rig.metric(handshakes).await - before >= 30.0, "{protocol:?}");
    }
}

#[tokio::test]
async fn a_rate_is_kept() {
    let rig = Rig::start().await;
    let target = Target::new(&connection(&rig, &rig.authority), Protocol::Http2).unwrap();
    let plan = Plan {
        rate: Rate::PerSecond(NonZeroU32::new(300).unwrap()),
        duration: Duration::from_secs(1),
        most_questions: None,
        ..plan(&rig, Protocol::Http2, 0)
    };
    let report = plan.prepare(target).run(&()).await;
    assert_eq!((report.questions(), report.errors()), (300, 0), "{:?}", report.answers);
}

#[tokio::test]
async fn questions_that_cannot_be_asked_are_missed_and_not_forgotten() {
    let rig = Rig::start().await;
    // A caller that the service does not know: TLS 1.3 lets him in and hangs up.
    let stranger = Authority::new("strangers", validity(&rig.clock)).unwrap();
    let mut connection = connection(&rig, &stranger);
    connection.authority_pem = Some(rig.authority.certificate_pem().into_bytes());
    let target = Target::new(&connection, Protocol::Http2).unwrap();
    let plan = Plan {
        rate: Rate::PerSecond(NonZeroU32::new(100).unwrap()),
        duration: Duration::from_millis(300),
        most_questions: None,
        ..plan(&rig, Protocol::Http2, 0)
    };
    let report = plan.prepare(target).run(&()).await;
    assert_eq!((report.answered, report.questions(), report.errors()), (0, 30, 30), "{:?}", report.answers);
    assert!(!report.connection_errors.is_empty());
}
