use std::collections::BTreeMap;

use super::stub::Stub;
use super::*;

/// Far longer than any run here takes.
const BOUND: Duration = Duration::from_secs(30);

/// One connection, without a rate.
fn plan(duration: Duration) -> Plan {
    Plan {
        bodies: Arc::from([Box::from(*b"{}")]),
        connections: NonZeroUsize::MIN,
        streams: NonZeroUsize::new(10).unwrap(),
        protocol: Protocol::Http2,
        rate: Rate::AsFastAsAnswered,
        warm_up: Duration::ZERO,
        duration,
        most_questions: None,
        patience: Duration::from_secs(1),
        questions_per_connection: None,
    }
}

fn per_second(rate: u32) -> Rate {
    Rate::PerSecond(NonZeroU32::new(rate).unwrap())
}

async fn run(plan: Plan, stub: &Stub) -> Report {
    let target = Target::new(&stub.connection, plan.protocol).unwrap();
    tokio::time::timeout(BOUND, plan.prepare(target).run(&())).await.expect("it ends in bounded time")
}

/// What is missed of an objective.
fn missed(report: &Report, objective: &str) -> Vec<String> {
    report.judge(&[objective.parse().unwrap()]).into_iter().map(|shortfall| shortfall.measured).collect()
}

#[tokio::test]
async fn without_a_rate_an_attempt_that_is_refused_is_an_error() {
    let stub = Stub::closing(2, |_| std::future::ready(())).await;
    let plan = Plan {
        protocol: Protocol::Http1,
        questions_per_connection: Some(NonZeroU32::MIN),
        ..plan(Duration::from_millis(500))
    };
    let report = run(plan, &stub).await;
    assert_eq!(report.answers, [(Answer::Accepted, 1)].into());
    assert!(report.unasked > 0 && report.errors() == report.unasked, "{report:?}");
    assert_eq!(missed(&report, "errors=0%").len(), 1);
}

#[tokio::test]
async fn a_stall_up_to_the_end_misses_every_bound() {
    let hold = |question| async move {
        if question >= 80 {
            std::future::pending::<()>().await;
        }
    };
    let stub = Stub::answering(hold).await;
    let report = run(Plan { rate: per_second(200), ..plan(Duration::from_millis(500)) }, &stub).await;
    assert_eq!((report.count(Answer::Accepted), report.questions(), report.unanswered()), (80, 100, 20));
    assert!(report.unasked > 0, "{:?}", report.answers);
    assert!(report.quantile(0.8).is_some());
    assert_eq!(
        missed(&report, "p99=1h"),
        ["longer than any bound: 20 of 100 questions were not answered"],
        "{:?}",
        report.answers
    );
}

#[tokio::test]
async fn a_question_that_is_stuck_does_not_take_those_beside_it_along() {
    // A slow server, so that there are some beside it.
    let hold = |question| async move {
        match question {
            0 => std::future::pending().await,
            _ => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    };
    let stub = Stub::answering(hold).await;
    let report = run(Plan { rate: per_second(40), ..plan(Duration::from_millis(1500)) }, &stub).await;
    assert_eq!(report.answers, [(Answer::Accepted, 59), (Answer::TimedOut, 1)].into());
    assert_eq!((report.connection_errors.len(), stub.accepted()), (0, 1));
}

#[tokio::test]
async fn an_answer_after_the_end_is_an_answer() {
    struct Ended(Arc<Notify>);

    impl Observer for Ended {
        fn ended(&self) {
            self.0.notify_one();
        }
    }

    let ended = Arc::new(Notify::new());
    let hold = {
        let ended = Arc::clone(&ended);
        move |_| {
            let ended = Arc::clone(&ended);
            async move { ended.notified().await }
        }
    };
    let stub = Stub::answering(hold).await;
    let plan = Plan { streams: NonZeroUsize::MIN, patience: BOUND, ..plan(Duration::from_millis(300)) };
    let target = Target::new(&stub.connection, plan.protocol).unwrap();
    let report = plan.prepare(target).run(&Ended(ended)).await;
    assert_eq!((report.heard, report.answered), (true, 0));
    assert_eq!(report.answers, [(Answer::Accepted, 1)].into());
}

#[tokio::test]
async fn a_question_that_the_server_never_takes_whole_ends_the_run_at_once() {
    let stub = Stub::answering(|_| std::future::ready(())).await;
    let body = vec![b'x'; 2 << 20].into_boxed_slice();
    for rate in [Rate::AsFastAsAnswered, per_second(100)] {
        let plan = Plan { bodies: Arc::from([body.clone()]), rate, ..plan(10 * BOUND) };
        let report = run(plan, &stub).await;
        let why = "a question has 2097152 bytes, and over HTTP/2 the server takes 1048576 of one before it has read them; \
                   ask about shorter tokens, or with --protocol http1";
        assert_eq!(report.connection_errors, BTreeMap::from([(why.to_owned(), 1)]));
        assert!(!report.heard);
    }
}

#[tokio::test]
async fn a_server_that_accepts_and_says_nothing_ends_the_run_in_bounded_time() {
    let why = "the server opened no connection within 1s";
    for (rate, protocol) in [(Rate::AsFastAsAnswered, Protocol::Http2), (per_second(100), Protocol::Http1)] {
        let stub = Stub::mute(false).await;
        let report = run(Plan { rate, protocol, ..plan(Duration::from_millis(300)) }, &stub).await;
        assert_eq!(report.connection_errors.keys().collect::<Vec<_>>(), [why]);
        assert!(!report.heard && report.unasked > 0 && report.errors() == report.unasked, "{report:?}");
    }
}

#[tokio::test]
async fn a_server_that_falls_silent_after_the_handshake_ends_the_run_in_bounded_time() {
    for (rate, protocol) in [(Rate::AsFastAsAnswered, Protocol::Http2), (per_second(100), Protocol::Http1)] {
        let stub = Stub::mute(true).await;
        let report = run(Plan { rate, protocol, ..plan(Duration::from_millis(300)) }, &stub).await;
        assert!(!report.heard && report.count(Answer::TimedOut) > 0, "{report:?}");
        assert_eq!((report.unanswered(), report.quantile(0.01)), (report.questions(), None));
    }
}

#[tokio::test]
#[should_panic = "a connection's task"]
async fn a_panic_in_one_task_is_not_lost() {
    let mut tasks = JoinSet::new();
    tasks.spawn(std::future::pending());
    tasks.spawn(async { panic!("a connection's task") });
    finish(tasks).await;
}
