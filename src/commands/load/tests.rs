use clap::Parser as _;

use super::*;
use crate::load::stub::Stub;

#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    arguments: Arguments,
}

fn parse(line: &str) -> Result<Arguments, clap::Error> {
    Line::try_parse_from(["load"].into_iter().chain(line.split_whitespace())).map(|line| line.arguments)
}

#[test]
fn it_does_not_run_without_a_rate_and_a_duration() {
    for line in [
        "--kubeconfig k --tokens t --rate 10",
        "--kubeconfig k --tokens t --duration 10s",
        "--kubeconfig k --tokens t --duration 10s --rate 0",
        "--kubeconfig k --tokens t --duration 10s --rate fast",
        "--kubeconfig k --tokens t --duration 10 --rate 10",
    ] {
        assert!(parse(line).is_err(), "{line}");
    }
    let arguments = parse("--kubeconfig k --tokens t --rate max --duration 10s --objective p99=10ms").unwrap();
    assert_eq!(arguments.rate, Rate::AsFastAsAnswered);
    assert_eq!(arguments.objectives, ["p99=10ms".parse().unwrap()]);
}

#[test]
fn every_line_is_a_token_and_empty_lines_are_none() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens");
    let planned = |text: &str| {
        std::fs::write(&file, text).unwrap();
        plan(&parse(&format!("--kubeconfig k --tokens {} --rate 1 --duration 1s", file.display())).unwrap())
    };
    let bodies = planned("one\n\n  two\r\n").unwrap().bodies;
    let has = |body: &[u8], token: &str| String::from_utf8_lossy(body).contains(&format!("\"token\":\"{token}\""));
    assert_eq!(bodies.len(), 2);
    assert!(has(&bodies[0], "one") && has(&bodies[1], "two"));
    let error = planned("\n").err().unwrap();
    assert_eq!(
        error,
        Failure::WrongUse(format!("{}: there is no token in it; write one in each line", file.display()))
    );
}

#[test]
fn no_more_is_asked_at_once_than_a_server_could_bear() {
    for flag in ["--streams", "--connections"] {
        let line = |number| format!("--kubeconfig k --tokens t --duration 1s --rate 1 {flag} {number}");
        assert!(parse(&line("10000")).is_ok());
        for number in ["0", "10001", "18446744073709551615", "many"] {
            let error = parse(&line(number)).err().unwrap().to_string();
            assert!(error.contains("write a number from 1 to 10000"), "{error}");
        }
    }
}

#[tokio::test]
async fn answers_that_come_too_late_are_reported_and_judged() {
    // A slow server: the run's time is over before its first answer.
    let stub = Stub::answering(|_| tokio::time::sleep(Duration::from_millis(700))).await;
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let authority = write("ca.crt", &String::from_utf8(stub.connection.authority_pem.clone().unwrap()).unwrap());
    let cluster = format!("{{server: \"{}\", certificate-authority: \"{authority}\"}}", stub.connection.server);
    let kubeconfig = write(
        "kubeconfig",
        &format!(
            "{{apiVersion: v1, kind: Config, current-context: a, clusters: [{{name: a, cluster: {cluster}}}], \
             contexts: [{{name: a, context: {{cluster: a, user: a}}}}], users: [{{name: a, user: {{}}}}]}}"
        ),
    );
    let tokens = write("tokens", "one\n");
    let line =
        format!("--kubeconfig {kubeconfig} --tokens {tokens} --rate max --duration 300ms --warm-up 0s --streams 1");
    let arguments = parse(&format!("{line} --objective p50=1ms")).unwrap();
    let outcome = tokio::task::spawn_blocking(move || run(&arguments)).await.unwrap();
    assert_eq!(outcome, Ok(Conclusion::No));
}
