//! Files that mean harm, or mean nothing. Whatever they hold, loading ends soon with an error.

use std::time::{Duration, Instant};

use super::*;

/// The findings of loading that text as the main file, and as Kubernetes' file.
fn found_in(content: &[u8]) -> (Vec<String>, Vec<String>) {
    let folder = Folder::new();
    let start = Instant::now();
    let main = outcome(&folder.load(content));
    folder.write("authentication.yaml", content);
    let kubernetes = outcome(&folder.load(sound_main().to_string()));
    assert!(start.elapsed() < Duration::from_secs(20), "took {:?}", start.elapsed());
    (main, kubernetes)
}

#[track_caller]
fn assert_refused(content: &[u8], code: &str) {
    let expected = vec![format!("error {code} ")];
    assert_eq!(found_in(content), (expected.clone(), expected));
}

#[test]
fn c3_files_nested_too_deeply_are_refused() {
    for text in [
        "[".repeat(100_000),
        "{a: ".repeat(100_000),
        "- ".repeat(100_000),
        "? ".repeat(100_000),
        (0..1000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect(),
        format!("a: {}{}", "[".repeat(100_000), "]".repeat(100_000)),
    ] {
        assert_refused(text.as_bytes(), "yaml");
    }
}

#[test]
fn c3_files_that_multiply_by_aliases_are_refused() {
    let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let items = vec![format!("*a{}", level - 1); 9].join(", ");
        laughs += &format!("a{level}: &a{level} [{items}]\n");
    }
    assert_refused(laughs.as_bytes(), "yaml");
    let long = format!("a: &a \"{}\"\nb: [{}]\n", "x".repeat(900_000), vec!["*a"; 60].join(", "));
    assert_refused(long.as_bytes(), "yaml");
    assert_refused(format!("a: &a x\nb: [{}]\n", vec!["*a"; 10_000].join(", ")).as_bytes(), "yaml");
    assert_refused(b"a: &a [*a]\n", "yaml");
    assert_refused(b"a: *nowhere\n", "yaml");
}

#[test]
fn c3_files_with_too_many_nodes_are_refused() {
    assert_refused(format!("[{}]", "1,".repeat(300_000)).as_bytes(), "yaml");
    assert_refused("a:\n".repeat(200_000).as_bytes(), "yaml");
}

#[test]
fn a_file_full_of_problems_is_given_up_after_a_while() {
    let text: String = (0..3000).map(|number| format!("field{number}: 1\n")).collect();
    let (main, kubernetes) = found_in(text.as_bytes());
    for found in [main, kubernetes] {
        assert_eq!(found.len(), 65);
        assert_eq!(found.first().unwrap(), "error unknown_field field0");
        assert_eq!(found.last().unwrap(), "error too_many_problems ");
    }
}

#[test]
fn c3_oversized_files_are_refused_unread() {
    let folder = Folder::new();
    let ten_mebibytes = vec![b' '; 10 << 20];
    assert_found(&folder.load(&ten_mebibytes), &["error file_too_large "], "main");
    folder.write("authentication.yaml", &ten_mebibytes);
    let loaded = folder.load(sound_main().to_string());
    assert_found(&loaded, &["error file_too_large authenticationConfigurationFile"], "kubernetes");
}

#[test]
fn what_is_no_single_document_of_fields_is_refused() {
    for (text, code) in [
        (&b""[..], "empty_file"),
        (b"\n\n", "empty_file"),
        (b"# nothing\n", "empty_file"),
        (b"---\n", "empty_file"),
        (b"null", "empty_file"),
        (b"text", "empty_file"),
        (b"[a, b]", "empty_file"),
        (b"1", "empty_file"),
        (b"a: 1\n---\nb: 1\n", "yaml"),
        (b"a: 1\nb", "yaml"),
        (b"a: [1\n", "yaml"),
        (b"a:\n\tb: 1\n", "yaml"),
        (b"a: &a {x: 1}\nb: {<<: *a}\n", "yaml"),
        (b"a: .inf\n", "yaml"),
        (b"a: !strange x\n", "yaml"),
        (b"1: x\n", "yaml"),
        (b"? [a]\n: x\n", "yaml"),
        (b"a: \x00\n", "yaml"),
        (b"\x1f\x8b\x08\x00\x00", "not_utf8"),
        (b"\xff\xfea\x00:\x00", "not_utf8"),
        (b"a: \xc0\xaf\n", "not_utf8"),
    ] {
        let (main, _) = found_in(text);
        assert_eq!(main, [format!("error {code} ")], "{:?}", String::from_utf8_lossy(text));
    }
}

#[test]
fn a_byte_order_mark_does_no_harm() {
    let folder = Folder::new();
    folder.write("authentication.yaml", format!("\u{feff}{}", sound_kubernetes()));
    assert_found(&folder.load(format!("\u{feff}{}", sound_main())), &[], "byte order mark");
}

#[test]
fn j1_no_message_quotes_a_value_of_the_wrong_type() {
    let folder = Folder::new();
    let mut main = sound_main();
    set(&mut main, "server.callers.bearerTokenFiles", json!(TOKEN));
    set(&mut main, "server.callers.anonymous", json!(TOKEN));
    let loaded = folder.load_both(&main, &sound_kubernetes());
    assert_found(
        &loaded,
        &["error wrong_type server.callers.bearerTokenFiles", "error wrong_type server.callers.anonymous"],
        "a token in the wrong place",
    );
    assert!(!loaded.findings.to_string().contains(TOKEN));
    let broken = format!("server: {{callers: {{bearerTokenFiles: [{TOKEN}\n");
    assert!(!folder.load(broken).findings.to_string().contains(TOKEN));
}

#[test]
fn j2_messages_quote_only_so_much() {
    let mut main = sound_main();
    set(&mut main, "log.level", json!("é".repeat(100_000)));
    let loaded = Folder::new().load_both(&main, &sound_kubernetes());
    assert_found(&loaded, &["error invalid log.level"], "long");
    assert!(loaded.findings.iter().all(|finding| finding.message.chars().count() <= 1001));
}

mod properties {
    use proptest::prelude::*;

    use super::*;
    use crate::config::file;
    use crate::config::report::Report;
    use crate::config::yaml;
    use crate::findings::FieldPath;

    proptest! {
        #[test]
        fn no_bytes_upset_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _read: Option<file::CountersignConfiguration> =
                yaml::read(&bytes, &FieldPath::root(), &mut Report::new());
        }

        #[test]
        fn no_text_made_of_yaml_upsets_the_reader(
            pieces in proptest::collection::vec(
                prop::sample::select(vec![
                    "server", "jwt", "tls", "address", ":", " ", "\n", "  ", "- ", "[", "]", "{", "}", ",", "&a", "*a",
                    "<<", "?", "|", ">", "'", "\"", "#", "---", "...", "!", "!!str", "%", "@", "1", "true", "null", "é",
                ]),
                0..60,
            )
        ) {
            let text = pieces.concat();
            let mut report = Report::new();
            let document: Option<file::CountersignConfiguration> =
                yaml::read(text.as_bytes(), &FieldPath::root(), &mut report);
            prop_assert!(document.is_some() || report.into_findings().has_errors());
        }

        /// The same for documents that are good YAML and wrong in places.
        #[test]
        fn no_document_that_is_wrong_in_places_upsets_the_loader(
            wrong in proptest::collection::vec((any::<prop::sample::Index>(), 0..6_usize), 1..6)
        ) {
            let mut document = sound_main();
            document["authenticationConfiguration"] = sound_kubernetes();
            for (index, kind) in wrong {
                let mut places = Vec::new();
                collect(&document, String::new(), &mut places);
                let value = [json!(null), json!(5), json!("x"), json!([]), json!({"odd": 1}), json!([null, true])];
                let place: &String = index.get(&places);
                set(&mut document, place, value[kind].clone());
            }
            let folder = Folder::new();
            let loaded = folder.load_both(&document, &sound_kubernetes());
            prop_assert_eq!(loaded.config.is_none(), loaded.findings.has_errors());
        }
    }

    fn collect(value: &Value, path: String, places: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    collect(member, format!("{path}.{name}"), places);
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    collect(item, format!("{path}[{index}]"), places);
                }
            }
            _ => {}
        }
        if !path.is_empty() {
            places.push(path);
        }
    }
}
