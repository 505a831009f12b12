use super::*;

fn places() -> Places {
    Places {
        webhook: Url::parse("https://127.0.0.1:8443/authenticate").unwrap(),
        issuer: "https://127.0.0.1:1".to_owned(),
        admin: "127.0.0.1:8080".parse().unwrap(),
        folder: "/home/me/my files".into(),
    }
}

fn row(is_good: bool, verdict: Verdict) -> Row {
    Row { file: if is_good { "good.jwt" } else { "wrong-audience.jwt" }.to_owned(), is_good, verdict }
}

fn accepted() -> Verdict {
    Verdict::Accepted { username: "dev:alice".to_owned(), groups: vec!["dev:a".to_owned(), "dev:b".to_owned()] }
}

fn refused() -> Verdict {
    Verdict::Refused { reason: "audience_mismatch: None.".to_owned() }
}

#[test]
fn the_heading_says_what_runs_where() {
    assert_eq!(
        heading(&places(), Palette::plain()),
        "\
countersign dev  a throw-away issuer, certificates and the webhook, all on this machine

  webhook  https://127.0.0.1:8443/authenticate
  issuer   https://127.0.0.1:1
  metrics  http://127.0.0.1:8080/metrics

"
    );
}

#[test]
fn verdicts_are_aligned() {
    let unclear = Verdict::Undecided { why: "keys\u{7}".to_owned() };
    let rows = [row(true, accepted()), row(false, refused()), row(false, unclear)];
    assert_eq!(
        table(&rows, Palette::plain()),
        "\
Three tokens, three verdicts

  good.jwt            accepted  as dev:alice, groups dev:a, dev:b
  wrong-audience.jwt  refused   audience_mismatch: None.
  wrong-audience.jwt  unclear   keys\\u{7}

"
    );
}

#[test]
fn good_tokens_must_be_accepted_and_bad_ones_refused() {
    let unclear = || Verdict::Undecided { why: String::new() };
    assert!(row(true, accepted()).is_as_expected());
    assert!(row(false, refused()).is_as_expected());
    assert!(!row(false, accepted()).is_as_expected());
    assert!(!row(true, refused()).is_as_expected());
    assert!(!row(true, unclear()).is_as_expected());
    assert!(!row(false, unclear()).is_as_expected());
}

#[test]
fn lines_to_paste_survive_a_folder_with_spaces() {
    assert_eq!(
        next_steps(&places(), "countersign", Palette::plain()),
        "\
Paste next

  D='/home/me/my files'

  # the same review by hand; then with review-expired.json
  curl --cacert \"$D/ca.crt\" --cert \"$D/caller.crt\" --key \"$D/caller.key\" \\
      -H 'Content-Type: application/json' --data \"@$D/review-good.json\" https://127.0.0.1:8443/authenticate

  # what kube-apiserver makes of it
  countersign review --kubeconfig \"$D/webhook.kubeconfig\" --token-file \"$D/good.jwt\"

  # why a token is refused, step by step
  countersign explain --config \"$D/config.yaml\" --token-file \"$D/expired.jwt\"

  # how often it said what
  curl -s http://127.0.0.1:8080/metrics | grep ^countersign_reviews

  # flags for a kube-apiserver on this machine
  --authentication-token-webhook-config-file=\"$D/webhook.kubeconfig\" \\
      --authentication-token-webhook-version=v1

"
    );
}
