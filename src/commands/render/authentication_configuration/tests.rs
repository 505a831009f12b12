use super::*;

fn migration() -> Migration {
    let flags =
        ["--oidc-issuer-url=https://idp.example.com", "--oidc-client-id=kubernetes", "--oidc-groups-prefix=x\u{202e}"];
    oidc_flags::read(&flags.map(str::to_owned), read).unwrap()
}

#[test]
fn kubernetes_file_has_a_comment_for_what_it_has_no_field_for() {
    let text = text(&migration(), Reader::Kubernetes, Output::Yaml);
    let (comments, document): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| line.starts_with('#'));
    let document: Value = serde_saphyr::from_str(&document.join("\n")).unwrap();
    assert_eq!(document, migration().kubernetes());
    let uncommented: Vec<_> = comments.iter().map(|line| line.trim_start_matches("# ")).collect();
    let settings = uncommented.iter().position(|line| line.starts_with("issuers:")).unwrap();
    let settings: Value = serde_saphyr::from_str(&uncommented[settings..].join("\n")).unwrap();
    assert_eq!(settings["issuers"], migration().settings());
    assert!(comments[0].starts_with("# Not carried over: --oidc-groups-prefix"), "{text}");
}

#[test]
fn countersigns_part_is_one_document_with_both() {
    let text = text(&migration(), Reader::Countersign, Output::Text);
    assert_eq!(serde_saphyr::from_str::<Value>(&text).unwrap(), migration().countersign());
}

#[test]
fn json_has_no_comments() {
    let text = text(&migration(), Reader::Kubernetes, Output::Json);
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), migration().kubernetes());
}

#[test]
fn what_json_has_no_comment_for_is_said_beside_it() {
    let said = fieldless(&migration(), Output::Json);
    let (_, settings) = said.split_once('\n').unwrap();
    assert_eq!(serde_saphyr::from_str::<Value>(settings).unwrap()["issuers"], migration().settings());
}
