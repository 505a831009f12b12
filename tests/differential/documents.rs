//! AuthenticationConfigurations: sound ones, near misses of every rule, and odd forms.

use crate::expressions;
use crate::random::Random;
use crate::tree::Tree;

/// A document and how it is written.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    pub(crate) tree: Tree,
    pub(crate) is_yaml: bool,
    /// What stands before and after it.
    pub(crate) frame: (&'static str, &'static str),
}

impl Document {
    pub(crate) fn text(&self) -> String {
        let text = if self.is_yaml { self.tree.yaml() } else { self.tree.json() };
        [self.frame.0, &text, self.frame.1].concat()
    }
}

/// What kind of document is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing is wrong with it.
    Sound,
    /// One thing is, probably.
    NearMiss,
    /// Many are.
    Odd,
}

/// How many more things may go wrong, and how likely each is.
struct Mischief {
    left: usize,
    percent: usize,
}

impl Mischief {
    fn strikes(&mut self, random: &mut Random) -> bool {
        let strikes = self.left > 0 && random.percent(self.percent);
        if strikes {
            self.left -= 1;
        }
        strikes
    }
}

pub(crate) fn generate(random: &mut Random, kind: Kind) -> Document {
    let mut mischief = match kind {
        Kind::Sound => Mischief { left: 0, percent: 0 },
        Kind::NearMiss => Mischief { left: 1, percent: 12 },
        Kind::Odd => Mischief { left: usize::MAX, percent: 15 },
    };
    let m = &mut mischief;
    let mut tree = Tree::Map(Vec::new());
    let version = if m.strikes(random) {
        *random.pick(&[
            "apiserver.config.k8s.io/v1beta2",
            "v1",
            "",
            "apiserver.config.k8s.io/v1 ",
            "config.k8s.io/v1",
            "apiserver.k8s.io/v1",
            "a/b/c",
        ])
    } else {
        *random.pick(&[
            "apiserver.config.k8s.io/v1",
            "apiserver.config.k8s.io/v1",
            "apiserver.config.k8s.io/v1beta1",
            "apiserver.config.k8s.io/v1alpha1",
        ])
    };
    tree.push("apiVersion", Tree::text(version));
    let kind_name = if m.strikes(random) {
        *random.pick(&["authenticationConfiguration", "AuthorizationConfiguration", "AdmissionConfiguration", "", "X"])
    } else {
        "AuthenticationConfiguration"
    };
    tree.push("kind", Tree::text(kind_name));
    let count = *random.pick(&[0, 1, 1, 1, 1, 1, 1, 2, 2, 2, 3]);
    let mut taken = Vec::new();
    let entries: Vec<Tree> = (0..count).map(|_| authenticator(random, m, &mut taken)).collect();
    if count > 0 || random.percent(50) {
        tree.push("jwt", Tree::List(entries));
    }
    if random.percent(8) {
        tree.push("anonymous", anonymous(random, m));
    }
    if m.left > 0 && kind != Kind::Sound && random.percent(35) {
        mutate(&mut tree, random);
        if kind == Kind::Odd && random.percent(40) {
            mutate(&mut tree, random);
        }
    }
    let frame = match kind {
        Kind::Sound => *random.pick(&[("", ""), ("", ""), ("", ""), ("---\n", ""), ("# a comment\n", "\n# another\n")]),
        _ if random.percent(8) => *random.pick(FRAMES),
        _ => ("", ""),
    };
    let is_yaml = random.percent(50);
    // Chance of its own, so that everything else stays as it is without this.
    let random = &mut Random::of_case(random.clone().next(), 1);
    if random.percent(6) {
        respell(&mut tree, random, kind);
    }
    Document { tree, is_yaml, frame }
}

/// Texts as words that YAML 1.1, YAML 1.2 and JSON do not all read alike.
const SPELLINGS: &[&str] = &[
    "yes",
    "Yes",
    "YES",
    "yEs",
    "no",
    "No",
    "NO",
    "on",
    "On",
    "ON",
    "off",
    "Off",
    "OFF",
    "y",
    "Y",
    "n",
    "N",
    "1__0",
    "1_",
    "0_7",
    "1_000",
    "1_000.5",
    "1_0e5",
    "_1",
    "+_1",
    "0x_1F",
    "0x1F",
    "0o17",
    "0o_7",
    "0b1",
    "-0b1",
    "017",
    "089",
    "+1",
    "1.",
    ".5",
    "1e3",
    "-",
    "+",
    "=",
    "<<",
    "12:30:45",
    "2001-01-01",
    "2001-01-01T00:00:00Z",
    "! yes",
    "! x",
    "!!str yes",
    "!!str 1",
    "!!bool yes",
    "!!bool true",
    "1e400",
    ".nan",
    "+.nan",
    "-.inf",
    "\"a\\/b\"",
    "\"\\ud83d\\ude00\"",
    "\"\\ud83d\"",
    "\"\\ue000\"",
    "\"\\\\/\"",
    "\"\\U0001F600\"",
    "\"\\x41\"",
    "\"\\'\"",
    "\"\\e\\_\\N\"",
    "'a\\/b'",
    "a\\/b",
    "'yes'",
    "\"yes\"",
];

/// Spells one thing in a way that is rare, and in YAML perhaps another thing.
fn respell(tree: &mut Tree, random: &mut Random, kind: Kind) {
    let count = tree.nodes().len();
    if kind == Kind::Sound {
        match random.below(2) {
            0 => tree.set("anonymous", Tree::map([("enabled", Tree::word(*random.pick(&["yes", "on", "y", "true"])))])),
            _ => tree.push("<<", Tree::Map(Vec::new())),
        }
        return;
    }
    // Most nodes are no texts.
    for _ in 0..20 {
        if let Some(node @ Tree::Text(_)) = tree.node_mut(random.below(count)) {
            *node = Tree::word(*random.pick(SPELLINGS));
            return;
        }
    }
}

/// Every spelling where any text will do, and what else concerns YAML alone.
pub(crate) fn listed() -> Vec<Document> {
    let document = |enabled: &str, audience: &str, prefix: &str, more: Option<(&str, Tree)>| {
        let mut tree = Tree::map([
            ("apiVersion", Tree::text("apiserver.config.k8s.io/v1")),
            ("kind", Tree::text("AuthenticationConfiguration")),
            ("anonymous", Tree::map([("enabled", Tree::word(enabled))])),
        ]);
        let issuer =
            [("url", Tree::text("https://one.example")), ("audiences", Tree::List(vec![Tree::word(audience)]))];
        let mut username = Tree::map([("claim", Tree::text("sub")), ("prefix", Tree::word(prefix))]);
        if let Some((name, value)) = more {
            username.push(name, value);
        }
        let entry = [("issuer", Tree::map(issuer)), ("claimMappings", Tree::map([("username", username)]))];
        tree.push("jwt", Tree::List(vec![Tree::map(entry)]));
        Document { tree, is_yaml: true, frame: ("", "") }
    };
    let sound = |more| document("true", "\"a\"", "\"b:\"", more);
    let spelled = SPELLINGS.iter().flat_map(|word| {
        [document(word, "a", "b", None), document("true", word, "b", None), document("true", "a", word, None)]
    });
    let merged = [Tree::Map(Vec::new()), Tree::map([("claim", Tree::text("name"))]), Tree::List(Vec::new())];
    let merged = merged.into_iter().map(|merged| sound(Some(("<<", merged))));
    let framed = FRAMES.iter().map(|&frame| Document { frame, ..sound(None) });
    let json = SPELLINGS.iter().map(|word| Document { is_yaml: false, ..document("true", word, "\"b\"", None) });
    spelled.chain(merged).chain(framed).chain(json).collect()
}

const FRAMES: &[(&str, &str)] = &[
    ("---\n", ""),
    ("\n\n", "\n\n"),
    ("\u{feff}", ""),
    ("%YAML 1.1\n---\n", ""),
    ("%YAML 1.2\n---\n", "\n...\n"),
    ("", "\n...\n"),
    ("", "\n---\n"),
    ("---\n---\n", ""),
    ("", "\n---\n{}\n"),
    ("", "\n---\napiVersion: v1\n"),
    ("# comment\n---\n", ""),
    ("", "}"),
    ("", "\nx"),
    ("\t", ""),
    (" ", ""),
    ("- ", ""),
    ("!!map\n", ""),
    ("&a\n", ""),
    ("\u{b}", ""),
    ("", "\u{0}"),
];

fn anonymous(random: &mut Random, m: &mut Mischief) -> Tree {
    let mut section = Tree::Map(Vec::new());
    let enabled = !m.strikes(random);
    if enabled || random.percent(50) {
        section.push("enabled", Tree::word(enabled));
    }
    if random.percent(60) {
        let paths = Tree::List(vec![Tree::map([("path", Tree::text("/livez"))])]);
        section.push("conditions", paths);
    }
    section
}

/// Issuers that tokens can come from.
pub(crate) const ISSUERS: &[&str] = &[
    "https://one.example",
    "https://two.example/",
    "https://three.example/tenant/v2.0",
    "https://accounts.google.com",
    "https://four.example:8443/a//b",
    "https://[::1]:6443",
    "https://five.example/%7Eadmin?",
    "https://xn--bcher-kva.example/ü",
];

const BAD_URLS: &[&str] = &[
    "",
    "http://one.example",
    "HTTPS://one.example",
    "one.example",
    "//one.example",
    "https://user@one.example",
    "https://user:secret@one.example",
    "https://@one.example",
    "https://one.example?x=1",
    "https://one.example/?",
    "https://one.example#part",
    "https://one.example#",
    "https://one.example?a#b",
    "https://one.example/%zz",
    "https://one.example/%",
    "https://one example",
    "https://one.example:port",
    "https://one.example:",
    "https://one.example:99999",
    "https://",
    "https:",
    "https:/one.example",
    "https:one.example",
    ":",
    ":foo",
    "https://[::1",
    "https://[::1]x",
    "https://[fe80::1%25en0]",
    "https://[fe80::1%en0]",
    "https://one.example\u{7f}",
    "https://one.example/\n",
    " https://one.example",
    "https://one.example ",
    "https://one_.example",
    "https://one.example/a b",
    "https://ONE.example/",
    "https://one.example/a/../b",
    "1https://one.example",
    "https+x://one.example",
    "https://one.example/\u{0}",
    "https://ｏne.example",
    "https://one.example/<>",
    "https://one.ex%41mple",
    "https://one.example%20",
    "https://a:b:c",
    "https://-/",
    "https://.",
    "https://one..example",
];

const CERTIFICATE: &str = include_str!("certificate.pem");

fn authenticator(random: &mut Random, m: &mut Mischief, taken: &mut Vec<&'static str>) -> Tree {
    let mut entry = Tree::Map(Vec::new());
    if !m.strikes(random) {
        entry.push("issuer", issuer(random, m, taken));
    }
    if random.percent(60) {
        entry.push("claimValidationRules", claim_rules(random, m));
    }
    if !m.strikes(random) {
        entry.push("claimMappings", mappings(random, m));
    }
    if random.percent(35) {
        entry.push("userValidationRules", user_rules(random, m));
    }
    entry
}

fn issuer(random: &mut Random, m: &mut Mischief, taken: &mut Vec<&'static str>) -> Tree {
    let mut section = Tree::Map(Vec::new());
    let url = if m.strikes(random) {
        if !taken.is_empty() && random.percent(20) { *random.pick(taken) } else { *random.pick(BAD_URLS) }
    } else {
        let free: Vec<_> = ISSUERS.iter().copied().filter(|url| !taken.contains(url)).collect();
        *random.pick(&free)
    };
    taken.push(url);
    section.push("url", Tree::text(url));
    if random.percent(10) {
        let discovery = if m.strikes(random) {
            if random.percent(30) { format!("{url}//") } else { (*random.pick(BAD_URLS)).to_owned() }
        } else {
            format!("https://discovery.example/{}/.well-known/openid-configuration", random.below(1000))
        };
        section.push("discoveryURL", Tree::text(discovery));
    }
    if random.percent(10) {
        let pem = if m.strikes(random) {
            match random.below(6) {
                0 => "not PEM".to_owned(),
                1 => CERTIFICATE.replace("CERTIFICATE", "X509 CERTIFICATE"),
                2 => CERTIFICATE.replace("M", "A"),
                3 => CERTIFICATE.replace("-----BEGIN CERTIFICATE-----\n", "-----BEGIN CERTIFICATE-----\nx: y\n\n"),
                4 => CERTIFICATE.replace('\n', ""),
                _ => " ".to_owned(),
            }
        } else if random.percent(30) {
            format!("# a comment\n{CERTIFICATE}text\n{CERTIFICATE}")
        } else {
            CERTIFICATE.to_owned()
        };
        section.push("certificateAuthority", Tree::text(pem));
    }
    let audiences: &[&str] = if m.strikes(random) {
        random.pick::<&[&str]>(&[&[], &[""], &["a", "a"], &["a", ""], &["kubernetes", "other", "kubernetes"]])
    } else {
        random.pick::<&[&str]>(&[
            &["kubernetes"],
            &["kubernetes"],
            &["kubernetes", "other"],
            &["a b", "ü", "kubernetes"],
        ])
    };
    section.push("audiences", Tree::texts(audiences.iter().copied()));
    let policy = if m.strikes(random) {
        *random.pick(&["", "MatchAll", "matchany", " MatchAny"])
    } else if audiences.len() > 1 {
        "MatchAny"
    } else {
        *random.pick(&["", "MatchAny"])
    };
    if !policy.is_empty() || random.percent(20) {
        section.push("audienceMatchPolicy", Tree::text(policy));
    }
    if random.percent(6) {
        let egress = if m.strikes(random) {
            *random.pick(&["master", "Cluster", "etcd"])
        } else {
            *random.pick(&["", "cluster", "controlplane"])
        };
        section.push("egressSelectorType", Tree::text(egress));
    }
    section
}

/// Claims that mappings and rules speak of, and that tokens have.
pub(crate) const CLAIMS: &[&str] = &[
    "sub",
    "email",
    "name",
    "groups",
    "roles",
    "oid",
    "department",
    "hd",
    "https://example.org/groups",
    "a.b",
    "x-y",
    "x__y",
    "in",
    "Größe",
];

fn claim_rules(random: &mut Random, m: &mut Mischief) -> Tree {
    let mut rules: Vec<Tree> = Vec::new();
    for _ in 0..random.below(4) {
        let mut rule = Tree::Map(Vec::new());
        let mode = if m.strikes(random) { random.below(6) } else { 6 };
        if mode == 0 {
            rules.push(rule);
            continue;
        }
        if random.percent(50) || !expressions::ENABLED {
            let mut claim = *random.pick(&["hd", "department", "name", "sub", "a.b"]);
            let is_taken = |claim: &str| rules.iter().any(|rule| rule.get("claim") == Some(&Tree::text(claim)));
            if is_taken(claim) && mode != 1 {
                claim = *CLAIMS.iter().find(|claim| !is_taken(claim)).unwrap();
            }
            rule.push("claim", Tree::text(claim));
            if random.percent(85) {
                rule.push("requiredValue", Tree::text(*random.pick(&["example.org", "alice", "", "true", "1"])));
            }
            match mode {
                2 => rule.push("message", Tree::text("must be so")),
                3 => rule.push("expression", Tree::text("true")),
                _ => {}
            }
        } else {
            let expression = if mode == 1 && !rules.is_empty() {
                random.pick(&rules).get("expression").cloned().unwrap_or_else(|| Tree::text("true"))
            } else {
                Tree::text(expressions::claim_rule(random, mode == 4))
            };
            rule.push("expression", expression);
            if random.percent(50) {
                rule.push("message", Tree::text("must be so"));
            }
            match mode {
                2 => rule.push("requiredValue", Tree::text("x")),
                3 => rule.push("claim", Tree::text("hd")),
                _ => {}
            }
        }
        rules.push(rule);
    }
    Tree::List(rules)
}

fn mappings(random: &mut Random, m: &mut Mischief) -> Tree {
    let mut section = Tree::Map(Vec::new());
    if !m.strikes(random) {
        let claim = if m.strikes(random) { "" } else { *random.pick(&["sub", "sub", "sub", "email", "name", "a.b"]) };
        section.push("username", prefixed(random, m, claim, expressions::username));
    }
    if random.percent(60) {
        let claim = *random.pick(&["groups", "groups", "roles", "https://example.org/groups"]);
        section.push("groups", prefixed(random, m, claim, expressions::groups));
    }
    if random.percent(40) {
        let mut uid = Tree::Map(Vec::new());
        let uses_claim = random.percent(50) || !expressions::ENABLED;
        if uses_claim {
            uid.push("claim", Tree::text(*random.pick(&["oid", "sub", "uid"])));
        }
        if !uses_claim || m.strikes(random) {
            let is_odd = m.strikes(random);
            uid.push("expression", Tree::text(expressions::uid(random, is_odd)));
        }
        section.push("uid", uid);
    }
    if expressions::ENABLED && random.percent(35) || m.strikes(random) {
        section.push("extra", extra(random, m));
    }
    section
}

fn prefixed(random: &mut Random, m: &mut Mischief, claim: &str, expression: fn(&mut Random, bool) -> String) -> Tree {
    let mut section = Tree::Map(Vec::new());
    let uses_expression = expressions::ENABLED && random.percent(55);
    if uses_expression {
        let is_odd = m.strikes(random);
        section.push("expression", Tree::text(expression(random, is_odd)));
        if m.strikes(random) {
            section.push("claim", Tree::text(claim));
        }
        if m.strikes(random) {
            section.push("prefix", Tree::text(*random.pick(&["", "x:"])));
        }
        return section;
    }
    section.push("claim", Tree::text(claim));
    if m.strikes(random) {
        section.push("expression", Tree::text("'x'"));
    }
    if !m.strikes(random) {
        let prefix = if m.strikes(random) {
            *random.pick(&["system:", "sys", " x", "\u{200b}", "x\u{0}y", "System:", "ü:"])
        } else {
            *random.pick(&["", "", "", "idp:", "https://one.example#", "a b"])
        };
        section.push("prefix", Tree::text(prefix));
    }
    section
}

const KEYS: &[&str] = &["example.org/a", "example.org/b", "x.example.org/a/b", "e/x", "example.org/a_b~%!$&'()*+,;=:"];
const BAD_KEYS: &[&str] = &[
    "",
    "a",
    "/a",
    "example.org/",
    "example.org/A",
    "Example.org/a",
    "example.org/ä",
    "example.org/a b",
    "kubernetes.io/a",
    "x.kubernetes.io/a",
    "xkubernetes.io/a",
    "k8s.io/a",
    "x.k8s.io/a",
    "authentication.kubernetes.io/credential-id",
    "example..org/a",
    "-example.org/a",
    "example-.org/a",
    "example.org./a",
    ".example.org/a",
    "ex_ample.org/a",
    "example.org//a",
    "example.org/a#b",
    "example.org/a?b",
    "example.org/a@b",
    "example.org/[a]",
    "Kubernetes.io/a",
    "KUBERNETES.IO/a",
    "example.org/İ",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.org/a",
];

fn extra(random: &mut Random, m: &mut Mischief) -> Tree {
    let mut entries: Vec<Tree> = Vec::new();
    for key in &KEYS[..=random.below(3)] {
        let mut entry = Tree::Map(Vec::new());
        let key = if m.strikes(random) { *random.pick(BAD_KEYS) } else { key };
        if !m.strikes(random) {
            entry.push("key", Tree::text(key));
        }
        if !m.strikes(random) {
            let is_odd = m.strikes(random);
            entry.push("valueExpression", Tree::text(expressions::extra(random, is_odd)));
        }
        entries.push(entry);
    }
    Tree::List(entries)
}

fn user_rules(random: &mut Random, m: &mut Mischief) -> Tree {
    let mut rules: Vec<Tree> = Vec::new();
    let count = if expressions::ENABLED { random.below(3) } else { 0 };
    for _ in 0..count {
        let mut rule = Tree::Map(Vec::new());
        let mode = if m.strikes(random) { random.below(3) } else { 3 };
        let expression = match mode {
            0 => "",
            1 => rules.first().and_then(|rule| rule.get("expression")?.as_text()).unwrap_or("user.username"),
            _ => &expressions::user_rule(random, mode == 2),
        };
        rule.push("expression", Tree::text(expression));
        if random.percent(50) {
            rule.push("message", Tree::text("must be so"));
        }
        rules.push(rule);
    }
    Tree::List(rules)
}

/// Changes something without asking what it means.
fn mutate(tree: &mut Tree, random: &mut Random) {
    let count = tree.nodes().len();
    let place = random.below(count);
    let Some(node) = tree.node_mut(place) else { return };
    let odd = match random.below(14) {
        0 => Tree::null(),
        1 => Tree::word("true"),
        2 => Tree::word("7"),
        3 => Tree::word("1.5"),
        4 => Tree::text(""),
        5 => Tree::text("x"),
        6 => Tree::List(Vec::new()),
        7 => Tree::Map(Vec::new()),
        _ => Tree::List(vec![node.clone()]),
    };
    match (random.below(10), node) {
        (0..=2, Tree::Map(members)) => {
            let name = *random.pick(&[
                "extra",
                "claims",
                "Url",
                "URL",
                "issuer",
                "claim",
                "metadata",
                "x",
                "",
                "discoveryUrl",
                "status",
            ]);
            members.push((name.to_owned(), odd));
        }
        (3..=4, Tree::Map(members)) if !members.is_empty() => {
            let again = random.pick(members).clone();
            members.push(again);
        }
        (5, Tree::Map(members)) if !members.is_empty() => {
            let index = random.below(members.len());
            members[index].0 = members[index].0.to_uppercase();
        }
        (6, Tree::Map(members)) if !members.is_empty() => {
            let index = random.below(members.len());
            members.remove(index);
        }
        (7, Tree::List(items)) if !items.is_empty() => {
            let again = random.pick(items).clone();
            items.push(again);
        }
        (8, node @ (Tree::Text(_) | Tree::Word(_))) => {
            let word = *random.pick(&[
                "yes",
                "off",
                "~",
                "null",
                "Null",
                "TRUE",
                "0x1F",
                "0o17",
                "017",
                "1e3",
                ".inf",
                ".nan",
                "2001-01-01",
                "12:30:45",
                "1_000",
                "-",
                "=",
                "plain",
                "-0",
                "+1",
                "0b1",
                "!!str 1",
                "!!int x",
                "*a",
                "&a x",
                "!x y",
                "|",
                ">-",
                "? x",
                "y",
                "N",
                "on",
                "<<",
                "{",
                "]",
                "@x",
                "`x",
                "'x",
                "\"\\q\"",
                "x: y",
                "x #y",
                "#y",
                "0.1.2",
                "1:2",
                "2001-01-01T00:00:00Z",
                "0x",
                "-.inf",
            ]);
            *node = Tree::word(word);
        }
        (_, node) => *node = odd,
    }
}
