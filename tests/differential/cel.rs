//! One expression to both sides: whether it compiles, to which type, and what it gives.

use std::collections::BTreeSet;

use countersign::authn::UserInfo;
use countersign::cel::{self, Environment, Meter, Program, Subject};
use serde_json::{Map, Value, json};

use crate::Tally;
use crate::compare::{Difference, Side, smallest};
use crate::deviations;
use crate::expressions::{self, BROKEN, Variable};
use crate::oracle::{Evaluated, Evaluation};
use crate::random::Random;
use crate::tokens;
use crate::tree::{Tree, shorter_texts};

#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) variable: Variable,
    pub(crate) expression: String,
    /// Claims or users.
    pub(crate) subjects: Vec<Tree>,
}

impl Question {
    pub(crate) fn generate(random: &mut Random) -> Self {
        let variable = if random.percent(85) { Variable::Claims } else { Variable::User };
        let wanted = *random.pick(&[
            'b', 'b', 's', 'S', 'i', 'd', 'u', 'a', 'L', 'M', 'N', 'o', 't', 'r', 'y', 'Q', 'V', 'U', 'P', 'C', 'T',
        ]);
        let depth = 1 + random.below(4);
        let expression = match random.below(20) {
            0 => expressions::broken(random, BROKEN),
            1 => expressions::username(random, false),
            2 => expressions::groups(random, false),
            _ => expressions::generate(random, variable, wanted, depth),
        };
        let subjects = (0..2).map(|_| subject(random, variable)).collect();
        Self { variable, expression, subjects }
    }

    /// Every expression that is written down, over the same claims.
    pub(crate) fn listed() -> Vec<Self> {
        let random = &mut Random::of_case(1, 1);
        let of = |variable, expressions: &[&str], random: &mut Random| {
            let of_one = |expression: &&str| Self {
                variable,
                expression: (*expression).to_owned(),
                subjects: (0..4).map(|_| subject(random, variable)).collect(),
            };
            expressions.iter().map(of_one).collect::<Vec<_>>()
        };
        let claims = expressions::LISTED.iter().flat_map(|list| of(Variable::Claims, list, random)).collect::<Vec<_>>();
        let users = of(Variable::User, expressions::USER_RULES, random);
        claims.into_iter().chain(users).collect()
    }

    fn ask(&self) -> Value {
        let (kind, claims, users): (_, Vec<_>, Vec<Value>) = match self.variable {
            Variable::Claims => ("mapping", self.subjects.iter().map(Tree::json).collect(), vec![]),
            Variable::User => {
                let user = |subject: &Tree| serde_json::from_str(&subject.json()).unwrap();
                ("any-user", vec![], self.subjects.iter().map(user).collect())
            }
        };
        json!({"op": "cel", "kind": kind, "expression": self.expression, "claims": claims, "users": users, "cost": true})
    }
}

fn subject(random: &mut Random, variable: Variable) -> Tree {
    match variable {
        Variable::Claims => claims(random),
        Variable::User => user(random),
    }
}

fn claims(random: &mut Random) -> Tree {
    let mut claims = Tree::map([
        ("iss", Tree::text("https://one.example")),
        ("aud", Tree::text("kubernetes")),
        ("exp", Tree::word(tokens::NOW + 3600)),
        ("iat", Tree::word(tokens::NOW)),
        ("sub", Tree::text(*random.pick(&["alice", "bob", "alice@example.org", ""]))),
        ("nothing", Tree::null()),
        ("odd", tokens::odd_value(random)),
        ("time", Tree::text(*random.pick(&["2020-02-29T12:34:56.789Z", "2021-06-01T00:00:00+02:00", "x"]))),
        ("span", Tree::text(*random.pick(&["1h", "-1.5s", "x"]))),
        ("numbers", Tree::List((0..random.below(4)).map(|_| number(random)).collect())),
        ("strings", Tree::map([("k", Tree::text("v")), ("a.b", Tree::text("w")), ("a__dot__b", Tree::text("z"))])),
        ("list", Tree::List((0..random.below(4)).map(|_| tokens::odd_value(random)).collect())),
        ("deep", Tree::List(vec![Tree::map([("x", tokens::odd_value(random)), ("a", number(random))])])),
    ]);
    tokens::person(random, &mut claims, 10);
    // A number that no double holds is nothing that a verified token has.
    if claims.has_number_beyond_floats() || claims.has_duplicates() {
        return self::claims(random);
    }
    claims
}

fn number(random: &mut Random) -> Tree {
    Tree::word(*random.pick(&[
        "0",
        "1",
        "2",
        "-1",
        "1.5",
        "1e21",
        "1e-7",
        "9007199254740993",
        "-0",
        "100",
        "1e20",
        "123456.789",
    ]))
}

fn user(random: &mut Random) -> Tree {
    let groups = ["dev", "ops", "", "Größe", "dev"];
    let groups = Tree::List((0..random.below(4)).map(|_| Tree::text(*random.pick(&groups))).collect());
    let mut extra = Tree::Map(vec![]);
    for key in ["example.org/a", "authentication.kubernetes.io/credential-id", "x"] {
        if random.percent(50) {
            extra.push(key, Tree::texts((0..random.below(3)).map(|_| "alice")));
        }
    }
    Tree::map([
        ("username", Tree::text(*random.pick(&["alice", "", "idp:bob"]))),
        ("uid", Tree::text(*random.pick(&["", "4711"]))),
        ("groups", groups),
        ("extra", extra),
    ])
}

pub(crate) fn compare(side: &mut Side, questions: &[Question], tally: &Tally) -> Vec<String> {
    let asked: Vec<_> = questions.iter().map(Question::ask).collect();
    let answers: Vec<Evaluated> = side.oracle.ask(&asked);
    let (mut failures, mut kinds) = (Vec::new(), BTreeSet::new());
    for (question, theirs) in questions.iter().zip(answers) {
        if let Err((difference, number)) = compare_one(question, &theirs, tally) {
            // Kubernetes goes over maps in accidental order: it may say the same another time.
            let again: Vec<Evaluated> = side.oracle.ask(&vec![question.ask(); 32]);
            if again.iter().any(|theirs| compare_one(question, theirs, &Tally::default()).is_ok()) {
                tally.count("accidental order in Kubernetes");
                continue;
            }
            if !kinds.insert(difference.kind.clone()) {
                continue;
            }
            let subjects = question.subjects.iter().skip(number).take(1).cloned().collect();
            failures.push(smallest(Question { subjects, ..question.clone() }, difference, smaller, |question| {
                let theirs = side.oracle.ask_one(question.ask());
                compare_one(question, &theirs, &Tally::default()).err().map(|(difference, _)| difference)
            }));
        }
    }
    failures
}

fn smaller(question: &Question) -> Vec<Question> {
    let expressions = shorter_texts(&question.expression).into_iter();
    let expressions = expressions.map(|expression| Question { expression, ..question.clone() });
    let subjects = question.subjects.first().map(Tree::smaller).unwrap_or_default().into_iter();
    // What is left must be a user.
    let subjects = subjects.filter(|_| question.variable == Variable::Claims);
    expressions.chain(subjects.map(|subject| Question { subjects: vec![subject], ..question.clone() })).collect()
}

/// Compares what both sides say, and says for which subject they differ.
fn compare_one(question: &Question, theirs: &Evaluated, tally: &Tally) -> Result<(), (Difference, usize)> {
    let differ = |kind: String, number: usize, ours: String| {
        let subject = question.subjects.get(number).map_or_else(String::new, Tree::json);
        let said = theirs.results.get(number);
        let report = format!(
            "{kind}\n  {}\n  {subject}\n  Kubernetes: {} {} {said:?}\n  countersign: {ours}",
            question.expression, theirs.static_type, theirs.compile_error
        );
        Err((Difference { kind, report }, number))
    };
    let environment = match question.variable {
        Variable::Claims => Environment::Claims,
        Variable::User => Environment::User,
    };
    if deviations::panics(&theirs.fault) {
        tally.count("Kubernetes panics");
        return match cel::compile(&question.expression, environment) {
            Ok(program) => differ("Kubernetes panics".to_owned(), 0, format!("compiles to {}", program.result_type())),
            Err(_) => Ok(()),
        };
    }
    if !theirs.fault.is_empty() {
        return differ(format!("the oracle failed: {}", theirs.fault), 0, String::new());
    }
    tally.count("expressions");
    let program = match (cel::compile(&question.expression, environment), theirs.compiles) {
        (Ok(program), true) => program,
        (Err(_), false) => {
            tally.count("compiled by neither");
            return Ok(());
        }
        (Ok(program), false) => {
            let kind = format!("only Kubernetes refuses: {}", kind_of(&theirs.compile_error));
            return differ(kind, 0, format!("compiles to {}", program.result_type()));
        }
        (Err(error), true) => {
            let error = error.to_string();
            return match deviations::stricter_expression(&error) {
                Some(row) => {
                    tally.count(format!("deviation `{row}`"));
                    Ok(())
                }
                None => differ(format!("only countersign refuses: {}", kind_of(&error)), 0, error),
            };
        }
    };
    let is_bool = program.result_type() == "bool";
    if is_bool != (theirs.static_type == "bool") {
        return differ("another type".to_owned(), 0, program.result_type());
    }
    for (number, (subject, theirs)) in question.subjects.iter().zip(&theirs.results).enumerate() {
        compare_values(question, &program, subject, theirs, tally)
            .or_else(|(kind, ours)| differ(kind, number, ours))?;
    }
    Ok(())
}

fn compare_values(
    question: &Question,
    program: &Program,
    subject: &Tree,
    theirs: &Evaluation,
    tally: &Tally,
) -> Result<(), (String, String)> {
    let subject: Map<String, Value> = serde_json::from_str(&subject.json()).unwrap();
    let user = UserInfo {
        username: text_of(&subject, "username"),
        uid: text_of(&subject, "uid"),
        groups: subject
            .get("groups")
            .and_then(|groups| serde_json::from_value(groups.clone()).ok())
            .unwrap_or_default(),
        extra: subject.get("extra").and_then(|extra| serde_json::from_value(extra.clone()).ok()).unwrap_or_default(),
    };
    let of = match question.variable {
        Variable::Claims => Subject::Claims(&subject),
        Variable::User => Subject::User(&user),
    };
    tally.count("evaluations");
    let mut meter = Meter::new(cel::FULL);
    let ours = program.evaluate_shown(of, &mut meter);
    let cost = cel::FULL - meter.left();
    let excused = |row: Option<&'static str>| {
        if let Some(row) = row {
            tally.count(format!("deviation `{row}`"));
        }
        row.is_some()
    };
    match (ours, theirs.error.is_empty()) {
        (Ok(value), true) if theirs.cost.is_some_and(|theirs| cost < theirs) && !forgives(&question.expression) => {
            Err(("costs less than in Kubernetes".to_owned(), format!("{value} for {cost}")))
        }
        (Ok(value), true) if canonical(&value) == canonical(&theirs.value) => {
            tally.count("the same value");
            Ok(())
        }
        (Err(_), false) => {
            tally.count("an error in both");
            Ok(())
        }
        (Ok(value), true) => {
            let (mine, known) = (canonical(&value), canonical(&theirs.value));
            let row = deviations::other_value(&question.expression, &mine, &known).or_else(|| {
                deviations::reordered(&question.expression).filter(|_| unordered(mine) == unordered(known))
            });
            if excused(row) {
                return Ok(());
            }
            Err(("another value".to_owned(), value.to_string()))
        }
        (Ok(value), false) => Err((format!("only Kubernetes fails: {}", kind_of(&theirs.error)), value.to_string())),
        (Err(fault), true) => {
            if excused(deviations::stricter_value(&question.expression, &fault)) {
                return Ok(());
            }
            Err((format!("only countersign fails: {fault}"), fault.to_string()))
        }
    }
}

/// Whether an error may be of no account: what it cost then is another matter.
fn forgives(expression: &str) -> bool {
    ["&&", "||", ".all(", ".exists("].iter().any(|part| expression.contains(part))
}

fn text_of(members: &Map<String, Value>, name: &str) -> String {
    members.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// The words of an error without what it quotes, to tell errors apart.
fn kind_of(error: &str) -> String {
    let line = error.lines().next().unwrap_or_default();
    let line = line.rsplit_once("resulted in error: ").map_or(line, |(_, cause)| cause);
    let line = line.split_once("<input>:").map_or(line, |(_, rest)| rest);
    let words = line.split(' ').filter(|word| word.chars().all(|c| c.is_alphabetic() || "':,;_".contains(c)));
    words.take(9).collect::<Vec<_>>().join(" ")
}

/// A value in a form that both sides' spellings share.
fn canonical(typed: &Value) -> Value {
    let kind = typed.get("type").and_then(Value::as_str).unwrap_or_default();
    let value = typed.get("value").unwrap_or(&Value::Null);
    let kind = match kind {
        "kubernetes.claims" | "kubernetes.UserInfo" => "map",
        kind => kind,
    };
    let content = match (kind, value) {
        ("double", Value::String(text)) => {
            let number: f64 = text.trim_start_matches('+').parse().unwrap_or(f64::NAN);
            json!(if number.is_nan() { "NaN".to_owned() } else { format!("{number:?}") })
        }
        ("bytes", Value::Array(bytes)) => {
            use base64::Engine;
            let bytes: Vec<u8> = bytes.iter().map(|byte| u8::try_from(byte.as_u64().unwrap()).unwrap()).collect();
            json!(base64::prelude::BASE64_STANDARD.encode(bytes))
        }
        ("type", Value::String(name)) => json!(name.split_once('(').map_or(name.as_str(), |(name, _)| name)),
        ("list", Value::Array(items)) => items.iter().map(canonical).collect(),
        ("map", Value::Object(members)) => {
            let pair = |(key, value): (&String, &Value)| {
                (canonical(&serde_json::from_str(key).unwrap()).to_string(), canonical(value))
            };
            Value::Object(members.iter().map(pair).collect())
        }
        ("map", Value::Array(pairs)) => {
            let pair = |pair: &Value| (canonical(&pair[0]).to_string(), canonical(&pair[1]));
            Value::Object(pairs.iter().map(pair).collect())
        }
        // What is inside has no one spelling; functions on it are compared.
        ("kubernetes.Quantity" | "kubernetes.Semver" | "kubernetes.NamedFormat", _) => Value::Null,
        ("optional_type" | "optional", inner) if !inner.is_null() => canonical(inner),
        (_, other) => other.clone(),
    };
    json!({"type": kind, "value": content})
}

/// The same with every list in one order.
fn unordered(value: Value) -> Value {
    match value {
        Value::Array(items) => {
            let mut items: Vec<_> = items.into_iter().map(unordered).collect();
            items.sort_by_cached_key(Value::to_string);
            Value::Array(items)
        }
        Value::Object(members) => members.into_iter().map(|(name, value)| (name, unordered(value))).collect(),
        other => other,
    }
}
