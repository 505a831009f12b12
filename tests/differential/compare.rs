//! One question to both sides, and what is left of a disagreement when everything unneeded is taken away.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::Tally;
use crate::deviations;
use crate::documents::{Document, ISSUERS};
use crate::oracle::{self, Load, Oracle};
use crate::ours::{Finding, Folder, Issuers, Outcome};
use crate::tokens::{self, NOW, Token};
use crate::tree::Tree;

/// How often a disagreement is asked again to make it smaller.
const SHRINKING: usize = 600;

/// Both sides, for one worker.
pub(crate) struct Side {
    pub(crate) oracle: Oracle,
    pub(crate) folder: Folder,
}

impl Side {
    pub(crate) fn new() -> Self {
        Self { oracle: Oracle::start(), folder: Folder::new() }
    }
}

/// A document, the keys of its issuers, and tokens.
#[derive(Clone)]
pub(crate) struct Question {
    pub(crate) document: Document,
    pub(crate) key_set: usize,
    pub(crate) tokens: Vec<Token>,
}

/// A difference, with a short name that tells whether a smaller case shows the same one.
pub(crate) struct Difference {
    pub(crate) kind: String,
    pub(crate) report: String,
}

pub(crate) fn documents(side: &mut Side, documents: &[Document], tally: &Tally) -> Vec<String> {
    let questions: Vec<_> = documents.iter().map(load_question).collect();
    let answers: Vec<Load> = side.oracle.ask(&questions);
    let (mut failures, mut kinds) = (Vec::new(), BTreeSet::new());
    for (document, theirs) in documents.iter().zip(answers) {
        let (_, ours) = side.folder.load(&document.text());
        if let Err(difference) = compare_loads(document, &ours, &theirs, tally)
            && kinds.insert(difference.kind.clone())
        {
            failures.push(smallest_document(side, document, difference));
        }
    }
    failures
}

fn load_question(document: &Document) -> Value {
    json!({"op": "load", "document": document.text()})
}

fn compare_loads(document: &Document, ours: &[Finding], theirs: &Load, tally: &Tally) -> Result<(), Difference> {
    let differ = |kind: String| {
        let theirs = if theirs.decode_error.is_empty() {
            let problems = theirs.errors.iter().map(|problem| format!("\n    {}: {}", problem.field, problem.detail));
            problems.collect::<String>()
        } else {
            format!("\n    {}", theirs.decode_error)
        };
        let ours: String = ours
            .iter()
            .map(|finding| format!("\n    {} ({}): {}", finding.path, finding.code, finding.message))
            .collect();
        let report = format!("{kind}\n{}\n  Kubernetes:{theirs}\n  countersign:{ours}", document.text());
        Err(Difference { kind, report })
    };
    if deviations::panics(&theirs.fault) {
        tally.count("Kubernetes panics");
        return if ours.is_empty() { differ("Kubernetes panics".to_owned()) } else { Ok(()) };
    }
    if !theirs.fault.is_empty() {
        return differ(format!("the oracle failed: {}", theirs.fault));
    }
    if !theirs.decode_error.is_empty() {
        tally.count("form refused by Kubernetes");
        if ours.is_empty() {
            return differ("only Kubernetes refuses the form".to_owned());
        }
        let mine = ours.iter().filter(|finding| matches!(finding.code, "unknown_field" | "duplicate_field"));
        let mut mine: BTreeSet<_> = mine.map(|finding| finding.path.clone()).collect();
        let known = strict_paths(&theirs.decode_error);
        if let Some(known) = &known {
            // Kubernetes does not look into a field that it does not know.
            let is_within =
                |path: &str, field: &str| path.strip_prefix(field).is_some_and(|rest| rest.starts_with(['.', '[']));
            mine.retain(|path| known.contains(path) || !known.iter().any(|field| is_within(path, field)));
        }
        if let Some(known) = known
            && known != mine
            // Of another kind, everything is unknown.
            && !ours.iter().any(|finding| matches!(finding.code, "unknown_kind" | "unknown_version" | "yaml"))
        {
            return differ(format!("other fields are unknown or there twice: {mine:?}, Kubernetes: {known:?}"));
        }
        tally.count("refused by both");
        return Ok(());
    }
    let known: BTreeSet<_> = theirs.errors.iter().map(|problem| problem.field.clone()).collect();
    for finding in ours.iter().filter(|finding| !known.contains(&finding.path.clone())) {
        match deviations::stricter_load(finding, &document.text(), theirs) {
            Some(row) => tally.count(format!("deviation `{row}`")),
            None => return differ(format!("only countersign refuses: {} {}", shape(&finding.path), finding.code)),
        }
    }
    let mine: BTreeSet<_> = ours.iter().map(|finding| finding.path.clone()).collect();
    // What could not be read at all has no fields.
    let is_unreadable = ours.iter().any(|finding| finding.path.is_empty());
    // Nor has an item of the wrong type.
    let is_within_mistyped =
        |field: &str| ours.iter().any(|finding| finding.code == "wrong_type" && field.starts_with(&finding.path));
    for problem in theirs.errors.iter().filter(|problem| !mine.contains(&problem.field)) {
        if is_unreadable || is_within_mistyped(&problem.field) {
            continue;
        }
        return differ(format!("only Kubernetes refuses: {}", shape(&problem.field)));
    }
    tally.count(if ours.is_empty() && theirs.loads { "taken by both" } else { "refused by both" });
    Ok(())
}

/// The fields that a strict decoder of Kubernetes complains about, if it says all of them.
fn strict_paths(error: &str) -> Option<BTreeSet<String>> {
    let complaints = error.strip_prefix("strict decoding error: ")?;
    complaints
        .split(", ")
        .map(|complaint| {
            let field =
                complaint.strip_prefix("unknown field \"").or_else(|| complaint.strip_prefix("duplicate field \""))?;
            Some(field.strip_suffix('"')?.to_owned())
        })
        .collect()
}

/// A path without its numbers.
fn shape(path: &str) -> String {
    path.chars().filter(|c| !c.is_ascii_digit()).collect()
}

fn smallest_document(side: &mut Side, document: &Document, difference: Difference) -> String {
    let candidates = |document: &Document| {
        document.tree.smaller().into_iter().map(|tree| Document { tree, ..document.clone() }).collect()
    };
    smallest(document.clone(), difference, candidates, |document| {
        let theirs: Load = side.oracle.ask_one(load_question(document));
        let (_, ours) = side.folder.load(&document.text());
        compare_loads(document, &ours, &theirs, &Tally::default()).err()
    })
}

/// Takes away what is not needed for the same difference.
pub(crate) fn smallest<C>(
    case: C,
    difference: Difference,
    candidates: impl Fn(&C) -> Vec<C>,
    mut differ: impl FnMut(&C) -> Option<Difference>,
) -> String {
    let Difference { kind, mut report } = difference;
    let (mut smaller, mut index, mut is_fresh) = (candidates(&case), 0, false);
    for _ in 0..SHRINKING {
        let Some(candidate) = smaller.get(index) else {
            if !is_fresh {
                return report;
            }
            (index, is_fresh) = (0, false);
            continue;
        };
        match differ(candidate) {
            Some(difference) if difference.kind == kind => {
                report = difference.report;
                // What follows a part that was not needed stands in its place now.
                smaller = candidates(candidate);
                is_fresh = true;
            }
            _ => index += 1,
        }
    }
    report
}

pub(crate) fn tokens(side: &mut Side, questions: &[Question], tally: &Tally) -> Vec<String> {
    let minted: Vec<Vec<String>> =
        questions.iter().map(|question| question.tokens.iter().map(Token::mint).collect()).collect();
    let asked: Vec<_> =
        questions.iter().zip(&minted).map(|(question, tokens)| token_question(question, tokens)).collect();
    let answers: Vec<Load> = side.oracle.ask(&asked);
    let (mut failures, mut kinds) = (Vec::new(), BTreeSet::new());
    for ((question, tokens), theirs) in questions.iter().zip(minted).zip(answers) {
        let (config, ours) = side.folder.load(&question.document.text());
        if let Err(difference) = compare_loads(&question.document, &ours, &theirs, &Tally::default()) {
            if kinds.insert(difference.kind.clone()) {
                failures.push(smallest_document(side, &question.document, difference));
            }
            continue;
        }
        let Some(config) = config.filter(|_| theirs.loads) else { continue };
        let issuers = Issuers::new(&config, &key_sets(question.key_set));
        for ((token, text), theirs) in question.tokens.iter().zip(&tokens).zip(&theirs.outcomes) {
            let ours = issuers.judge(text);
            if let Err(difference) = compare_outcomes(question, token, &ours, theirs, tally)
                && kinds.insert(difference.kind.clone())
            {
                let question = Question { tokens: vec![token.clone()], ..question.clone() };
                failures.push(smallest_question(side, question, difference));
            }
        }
    }
    failures
}

fn token_question(question: &Question, tokens: &[String]) -> Value {
    let text = question.document.text();
    json!({"op": "authenticate", "document": text, "now": NOW, "jwks": key_sets(question.key_set), "tokens": tokens})
}

/// Every issuer publishes the same keys.
fn key_sets(number: usize) -> BTreeMap<String, String> {
    ISSUERS.iter().map(|url| ((*url).to_owned(), tokens::key_set(number))).collect()
}

fn compare_outcomes(
    question: &Question,
    token: &Token,
    ours: &Outcome,
    theirs: &oracle::Outcome,
    tally: &Tally,
) -> Result<(), Difference> {
    let differ = |kind: String| {
        let report = format!(
            "{kind}\n{}\n  key set {}, signed by {:?}, {:?}\n  header {}\n  claims {}\n  Kubernetes: {theirs:?}\n  countersign: {ours:?}",
            question.document.text(),
            question.key_set,
            token.signer,
            token.form,
            token.header.json(),
            token.claims.json(),
        );
        Err(Difference { kind, report })
    };
    tally.count("tokens");
    match (theirs, ours) {
        (oracle::Outcome::Panicked { error }, _) => differ(format!("the oracle failed: {error}")),
        (oracle::Outcome::Accepted { user }, Outcome::Accepted(mine)) if user == mine => {
            tally.count("accepted by both");
            Ok(())
        }
        (oracle::Outcome::Accepted { user }, Outcome::Accepted(mine)) => {
            let sorted = |user: &oracle::User| {
                let mut user = user.clone();
                user.groups.sort();
                user.extra.values_mut().for_each(|values| values.sort());
                user
            };
            match deviations::reordered(&question.document.text()).filter(|_| sorted(user) == sorted(mine)) {
                Some(row) => {
                    tally.count(format!("deviation `{row}`"));
                    Ok(())
                }
                None => differ("another user".to_owned()),
            }
        }
        (oracle::Outcome::Accepted { user }, refused) => {
            match deviations::stricter_token(refused, token, user, question) {
                Some(row) => {
                    tally.count(format!("deviation `{row}`"));
                    Ok(())
                }
                None => differ(format!("only countersign refuses: {refused:?}")),
            }
        }
        (oracle::Outcome::Declined, Outcome::Accepted(_)) => {
            differ("only countersign accepts what is no issuer's".to_owned())
        }
        (oracle::Outcome::Error { error }, Outcome::Accepted(_)) => {
            match deviations::laxer_token(error, token, question) {
                Some(row) => {
                    tally.count(format!("deviation `{row}` (laxer)"));
                    Ok(())
                }
                None => differ("only countersign accepts".to_owned()),
            }
        }
        (oracle::Outcome::Declined | oracle::Outcome::Error { .. }, _) => {
            tally.count("refused by both");
            Ok(())
        }
    }
}

fn smallest_question(side: &mut Side, question: Question, difference: Difference) -> String {
    smallest(question, difference, smaller_questions, |question| {
        let text = question.tokens[0].mint();
        let theirs: Load = side.oracle.ask_one(token_question(question, std::slice::from_ref(&text)));
        let (config, _) = side.folder.load(&question.document.text());
        let config = config.filter(|_| theirs.loads)?;
        let ours = Issuers::new(&config, &key_sets(question.key_set)).judge(&text);
        compare_outcomes(question, &question.tokens[0], &ours, theirs.outcomes.first()?, &Tally::default()).err()
    })
}

fn smaller_questions(question: &Question) -> Vec<Question> {
    let token = &question.tokens[0];
    let with = |token: Token| Question { tokens: vec![token], ..question.clone() };
    let documents = question
        .document
        .tree
        .smaller()
        .into_iter()
        .map(|tree| Question { document: Document { tree, ..question.document.clone() }, ..question.clone() });
    let trees = |tree: &Tree| tree.smaller();
    let claims = trees(&token.claims).into_iter().map(|claims| with(Token { claims, ..token.clone() }));
    let headers = trees(&token.header).into_iter().map(|header| with(Token { header, ..token.clone() }));
    claims.chain(headers).chain(documents).collect()
}
