use clap::Parser as _;

use super::*;

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
