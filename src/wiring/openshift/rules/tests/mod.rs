//! Every rule with documents that keep it and documents that break it.

mod cluster;
mod documents;
mod world;

use std::collections::BTreeSet;
use std::fs;

use super::codes::CODES;

#[test]
fn codes_are_in_order_and_each_is_there_once() {
    let codes: Vec<&str> = CODES.iter().map(|(code, _)| *code).collect();
    let ordered: BTreeSet<&str> = codes.iter().copied().collect();
    assert_eq!(codes, ordered.into_iter().collect::<Vec<_>>());
}

#[test]
fn the_tables_have_every_code_of_a_rule_and_at_least_eighty_rows() {
    let rows: Vec<&str> = documents::rows().chain(cluster::rows()).collect();
    let seen: BTreeSet<String> = rows
        .iter()
        .flat_map(|row| row.split(", "))
        .filter_map(|finding| finding.split(' ').nth(1))
        .map(str::to_owned)
        .collect();
    // Probes and failed readings are no rules on documents; they are tested where they are made.
    let missing: Vec<&str> = CODES
        .iter()
        .map(|(code, _)| *code)
        .filter(|code| !seen.contains(*code) && !code.starts_with("probe_") && *code != "not_readable")
        .collect();
    assert_eq!(missing, [""; 0]);
    assert!(rows.len() >= 80, "{} rows", rows.len());
}

#[test]
fn the_page_on_openshift_has_every_code_with_its_meaning() {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/platforms/openshift.md")).unwrap();
    for (code, meaning) in CODES {
        let row = format!("| `{code}` | {meaning} |");
        assert!(page.contains(&row), "docs/platforms/openshift.md lacks the row: {row}");
    }
}
