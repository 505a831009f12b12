//! JSONTestSuite through the strict reader.

use countersign::jose::json::{self, JsonError, Limits};
use serde_json::Value;

use crate::folder;

/// The files of a folder by name.
fn files(of: &str) -> Option<Vec<(String, Vec<u8>)>> {
    let folder = folder()?.join("JSONTestSuite").join(of);
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(Result::unwrap)
        .map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap()))
        .collect();
    files.sort();
    Some(files)
}

fn read(bytes: &[u8]) -> Result<Value, JsonError> {
    json::value(bytes, &Limits::STANDARD)
}

/// Valid JSON that is refused on purpose.
const STRICTER: [(&str, JsonError); 2] = [
    ("y_object_duplicated_key.json", JsonError::Duplicate),
    ("y_object_duplicated_key_and_value.json", JsonError::Duplicate),
];

/// What RFC 8259 leaves open and this reader accepts: numbers that round, and integers beyond 64 bits as floats. Every
/// other open case is refused.
const ACCEPTED_OPEN_CASES: [&str; 5] = [
    "i_number_double_huge_neg_exp.json",
    "i_number_real_underflow.json",
    "i_number_too_big_neg_int.json",
    "i_number_too_big_pos_int.json",
    "i_number_very_big_negative_int.json",
];

#[test]
fn c1_c2_c3_c4_every_parsing_case_is_decided() {
    let Some(files) = files("test_parsing") else { return };
    let (mut accepted, mut refused) = (0, 0);
    let mut open = Vec::new();
    for (name, bytes) in &files {
        let result = read(bytes);
        match result {
            Ok(_) => accepted += 1,
            Err(_) => refused += 1,
        }
        match name.split_once('_').unwrap().0 {
            "y" => match STRICTER.iter().find(|(stricter, _)| stricter == name) {
                Some((_, error)) => assert_eq!(result, Err(*error), "{name}"),
                None => assert!(result.is_ok(), "{name}: {result:?}"),
            },
            "n" => assert!(result.is_err(), "{name}"),
            "i" => open.extend(result.is_ok().then_some(name.as_str())),
            other => panic!("unknown kind of file {other}"),
        }
    }
    assert_eq!(open, ACCEPTED_OPEN_CASES);
    println!("JSONTestSuite parsing: {accepted} accepted, {refused} refused");
    assert_eq!(files.len(), 318);
}

#[test]
fn c1_c4_every_transform_case_has_one_meaning() {
    let Some(files) = files("test_transform") else { return };
    for (name, bytes) in &files {
        let result = read(bytes).map(|value| value.to_string());
        let expected = match name.as_str() {
            "number_-9223372036854775808.json" => Ok("[-9223372036854775808]"),
            "number_-9223372036854775809.json" => Ok("[-9.223372036854776e+18]"),
            "number_1.0.json" | "number_1.000000000000000005.json" => Ok("[1.0]"),
            "number_1000000000000000.json" => Ok("[1000000000000000]"),
            "number_10000000000000000999.json" => Ok("[10000000000000000999]"),
            "number_1e-999.json" => Ok("[0.0]"),
            "number_1e6.json" => Ok("[1000000.0]"),
            "number_9223372036854775807.json" => Ok("[9223372036854775807]"),
            "number_9223372036854775808.json" => Ok("[9223372036854775808]"),
            "object_key_nfc_nfd.json" | "object_key_nfd_nfc.json" => Ok("{\"e\u{301}\":\"NFD\",\"é\":\"NFC\"}"),
            "string_with_escaped_NULL.json" => Ok(r#"["A\u0000B"]"#),
            name if name.starts_with("object_same_key") => Err(JsonError::Duplicate),
            name if name.contains("invalid_codepoint") => Err(JsonError::Syntax),
            other => panic!("no expectation for {other}"),
        };
        assert_eq!(result.as_deref(), expected.as_ref().copied(), "{name}");
    }
    println!("JSONTestSuite transform: {} decided", files.len());
    assert_eq!(files.len(), 22);
}
