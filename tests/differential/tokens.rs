//! Tokens: good ones, near misses, and odd forms.

use std::sync::LazyLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::documents::{CLAIMS, ISSUERS};
use crate::random::Random;
use crate::tree::Tree;

/// The moment at which every token is judged: 2027-01-15.
pub(crate) const NOW: i64 = 1_800_000_000;

/// A token before it is signed.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) header: Tree,
    pub(crate) claims: Tree,
    pub(crate) signer: Signer,
    pub(crate) form: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signer {
    Ed25519,
    First,
    /// Not in any key set.
    Foreign,
    Rsa,
    Second,
}

/// What is done to the compact form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    BrokenSignature,
    Extra,
    NoSignature,
    Padded,
    Plain,
    Space,
    TwoParts,
}

impl Token {
    pub(crate) fn mint(&self) -> String {
        let input = format!("{}.{}", base64url(self.header.json()), base64url(self.claims.json()));
        let mut signature = KEYS.sign(self.signer, input.as_bytes());
        if self.form == Form::BrokenSignature {
            signature[7] ^= 1;
        }
        let token = format!("{input}.{}", base64url(signature));
        match self.form {
            Form::Plain | Form::BrokenSignature => token,
            Form::Extra => format!("{token}.x"),
            Form::NoSignature => format!("{input}."),
            Form::Padded => format!("{token}="),
            Form::Space => format!("{} {}", &token[..20], &token[20..]),
            Form::TwoParts => input,
        }
    }
}

struct Keys {
    first: EcdsaKeyPair,
    second: EcdsaKeyPair,
    foreign: EcdsaKeyPair,
    rsa: RsaKeyPair,
    ed25519: Ed25519KeyPair,
}

static KEYS: LazyLock<Keys> = LazyLock::new(|| {
    let p256 = || EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    Keys {
        first: p256(),
        second: p256(),
        foreign: p256(),
        rsa: RsaKeyPair::generate(KeySize::Rsa2048).unwrap(),
        ed25519: Ed25519KeyPair::generate().unwrap(),
    }
});

impl Keys {
    fn sign(&self, signer: Signer, message: &[u8]) -> Vec<u8> {
        let ecdsa = |pair: &EcdsaKeyPair| pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec();
        match signer {
            Signer::Ed25519 => self.ed25519.sign(message).as_ref().to_vec(),
            Signer::First => ecdsa(&self.first),
            Signer::Foreign => ecdsa(&self.foreign),
            Signer::Rsa => {
                let mut signature = vec![0; self.rsa.public_modulus_len()];
                self.rsa.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature).unwrap();
                signature
            }
            Signer::Second => ecdsa(&self.second),
        }
    }

    fn jwk(&self, signer: Signer) -> Value {
        let ec = |pair: &EcdsaKeyPair| {
            let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
            json!({"kty": "EC", "crv": "P-256", "x": base64url(x), "y": base64url(y)})
        };
        match signer {
            Signer::Ed25519 => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": base64url(self.ed25519.public_key().as_ref())})
            }
            Signer::First => ec(&self.first),
            Signer::Foreign => ec(&self.foreign),
            Signer::Rsa => {
                let key = self.rsa.public_key();
                let n = key.modulus().big_endian_without_leading_zero();
                let e = key.exponent().big_endian_without_leading_zero();
                json!({"kty": "RSA", "n": base64url(n), "e": base64url(e)})
            }
            Signer::Second => ec(&self.second),
        }
    }
}

/// The key sets that issuers publish. The first is the ordinary one.
pub(crate) const KEY_SETS: usize = 6;
/// The key set in which two keys have the same name.
pub(crate) const NAMED_TWICE: usize = 3;
/// The key set with a key of a kind that nobody knows.
pub(crate) const WITH_UNKNOWN_KIND: usize = 4;
/// The key set whose keys are all for something else.
pub(crate) const FOR_OTHER_USES: usize = 5;

pub(crate) fn key_set(number: usize) -> String {
    let with = |signer, members: Value| {
        let mut jwk = KEYS.jwk(signer);
        jwk.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        jwk
    };
    let all = || {
        vec![
            with(Signer::First, json!({"kid": "k1", "alg": "ES256", "use": "sig"})),
            with(Signer::Second, json!({"kid": "k2", "alg": "ES256", "use": "sig"})),
            with(Signer::Rsa, json!({"kid": "r1", "alg": "RS256", "use": "sig"})),
            with(Signer::Ed25519, json!({"kid": "e1", "alg": "EdDSA", "use": "sig"})),
        ]
    };
    let keys = match number {
        0 => all(),
        1 => vec![with(Signer::First, json!({"kid": "k1"})), with(Signer::Rsa, json!({"kid": "r1"}))],
        2 => vec![with(Signer::First, json!({}))],
        NAMED_TWICE => vec![
            with(Signer::First, json!({"kid": "k1"})),
            with(Signer::Second, json!({"kid": "k1"})),
            with(Signer::Rsa, json!({"kid": "r1"})),
        ],
        WITH_UNKNOWN_KIND => {
            let mut keys = all();
            keys.push(json!({"kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA", "kid": "pq"}));
            keys
        }
        _ => vec![
            with(Signer::First, json!({"kid": "k1", "use": "enc"})),
            with(Signer::Second, json!({"kid": "k2", "alg": "ES384"})),
            with(Signer::Rsa, json!({"kid": "r1", "key_ops": ["sign"]})),
        ],
    };
    json!({ "keys": keys }).to_string()
}

/// A token for (most of the time) one of the document's issuers. `oddity` is how likely each thing is odd, in percent.
pub(crate) fn generate(random: &mut Random, document: &Tree, oddity: usize) -> Token {
    let entries = document.get("jwt").map_or(&[][..], Tree::items);
    let issuer = if entries.is_empty() { None } else { Some(random.pick(entries)) };
    let section = issuer.and_then(|entry| entry.get("issuer"));
    let url = section.and_then(|section| section.get("url")).and_then(Tree::as_text);
    let audience = section.and_then(|section| section.get("audiences")?.items().first()?.as_text());
    let odd = |random: &mut Random| random.percent(oddity);

    let mut claims = Tree::Map(Vec::new());
    claims.push("iss", Tree::text(url.unwrap_or(ISSUERS[0])));
    claims.push("aud", Tree::text(audience.unwrap_or("kubernetes")));
    claims.push("exp", Tree::word(NOW + 3600));
    if random.percent(50) {
        claims.push("iat", Tree::word(NOW - 60));
    }
    claims.push("sub", Tree::text(*random.pick(&["alice", "bob", "alice@example.org"])));
    person(random, &mut claims, oddity);
    require(random, &mut claims, issuer);
    if odd(random) {
        routing(random, &mut claims, audience.unwrap_or("kubernetes"));
    }
    if odd(random) {
        times(random, &mut claims);
    }
    if odd(random) {
        oddities(random, &mut claims);
    }

    let (signer, algorithm, kid) = *random.pick(&[
        (Signer::First, "ES256", "k1"),
        (Signer::First, "ES256", "k1"),
        (Signer::First, "ES256", "k1"),
        (Signer::First, "ES256", "k1"),
        (Signer::Second, "ES256", "k2"),
        (Signer::Rsa, "RS256", "r1"),
    ]);
    let mut token = Token {
        header: Tree::map([("alg", Tree::text(algorithm)), ("kid", Tree::text(kid))]),
        claims,
        signer,
        form: Form::Plain,
    };
    if odd(random) {
        header(random, &mut token);
    }
    token
}

/// What a token says of a person, with types that are mostly right.
pub(crate) fn person(random: &mut Random, claims: &mut Tree, oddity: usize) {
    for claim in CLAIMS.iter().skip(1) {
        if !random.percent(60) {
            continue;
        }
        let value = if random.percent(oddity) {
            odd_value(random)
        } else {
            match *claim {
                "email" => Tree::text(*random.pick(&["alice@example.org", "Bob@Example.org", "x"])),
                "groups" | "roles" | "https://example.org/groups" => group_list(random),
                "hd" | "department" => Tree::text(*random.pick(&["example.org", "alice", "", "true", "1", "it"])),
                _ => Tree::text(*random.pick(&["alice", "b", "x y", "4711", "Größe", "日本語", "a,b;c"])),
            }
        };
        claims.push(claim, value);
    }
    if random.percent(45) {
        claims.push("email_verified", Tree::word(*random.pick(&["true", "true", "true", "false"])));
    }
    if random.percent(40) {
        claims.push("jti", Tree::text(*random.pick(&["id-1", "id-2", ""])));
    }
    if random.percent(40) {
        claims.push("level", Tree::word(*random.pick(&["1", "2", "3", "2.5", "-1", "0", "1e3", "9007199254740993"])));
    }
    if random.percent(40) {
        claims.push("admin", Tree::word(*random.pick(&["true", "false"])));
    }
    if random.percent(40) {
        let nested = Tree::map([
            ("namespace", Tree::text("default")),
            ("serviceaccount", Tree::map([("name", Tree::text("builder")), ("uid", Tree::text("4711"))])),
            ("a.b", group_list(random)),
            ("roles", group_list(random)),
        ]);
        claims.push(random.pick::<&str>(&["kubernetes.io", "realm_access", "nested"]), nested);
    }
}

fn group_list(random: &mut Random) -> Tree {
    let groups = ["dev", "ops", "admins", "team:a", "", "dev", "Größe", "a/b"];
    Tree::List((0..random.below(5)).map(|_| Tree::text(*random.pick(&groups))).collect())
}

/// Gives most claims that the issuer's rules require the values that they require.
fn require(random: &mut Random, claims: &mut Tree, issuer: Option<&Tree>) {
    let rules = issuer.and_then(|issuer| issuer.get("claimValidationRules")).map_or(&[][..], Tree::items);
    for rule in rules {
        let Some(claim) = rule.get("claim").and_then(Tree::as_text) else { continue };
        if random.percent(85) {
            claims.set(claim, rule.get("requiredValue").cloned().unwrap_or_else(|| Tree::text("")));
        }
    }
    let mappings = issuer.and_then(|issuer| issuer.get("claimMappings"));
    for (mapping, value) in [("username", "alice"), ("uid", "4711")] {
        let claim = mappings.and_then(|mappings| mappings.get(mapping)?.get("claim")?.as_text());
        if let Some(claim) = claim.filter(|claim| claims.get(claim).is_none())
            && random.percent(85)
        {
            claims.push(claim, Tree::text(value));
        }
    }
}

pub(crate) fn odd_value(random: &mut Random) -> Tree {
    let word = |word: &str| Tree::word(word);
    match random.below(26) {
        0 => Tree::null(),
        1 => word("true"),
        2 => word("false"),
        3 => word("0"),
        4 => word("-1"),
        5 => word("1.5"),
        6 => word("12345678901234567890"),
        7 => word("1e400"),
        8 => word("1e308"),
        9 => word("-0"),
        10 => Tree::List(vec![]),
        11 => Tree::Map(vec![]),
        12 => Tree::List(vec![Tree::text("dev"), word("1")]),
        13 => Tree::List(vec![Tree::text("dev"), Tree::null()]),
        14 => Tree::List(vec![Tree::List(vec![Tree::text("dev")])]),
        15 => Tree::map([("a", Tree::text("b"))]),
        16 => Tree::text(""),
        17 => Tree::text(" padded "),
        18 => Tree::text("system:masters"),
        19 => Tree::List(vec![Tree::text("dev"), Tree::text("system:masters")]),
        20 => Tree::text("zero\u{200b}width"),
        21 => Tree::text("nul\u{0}"),
        22 => Tree::text("SYSTEM:x"),
        23 => Tree::text("line\nbreak"),
        24 => Tree::List((0..501).map(|number| Tree::text(format!("g{number}"))).collect()),
        _ => Tree::text("x".repeat(1100)),
    }
}

/// `iss` and `aud`.
fn routing(random: &mut Random, claims: &mut Tree, audience: &str) {
    let own = claims.get("iss").and_then(Tree::as_text).unwrap_or_default().to_owned();
    match random.below(22) {
        0 => claims.remove("iss"),
        1 => claims.set("iss", Tree::text(format!("{own}/"))),
        2 => claims.set("iss", Tree::text(own.trim_end_matches('/'))),
        3 => claims.set("iss", Tree::text(own.to_uppercase())),
        4 => claims.set("iss", Tree::texts([own])),
        5 => claims.set("iss", Tree::null()),
        6 => claims.set("iss", Tree::word("1")),
        7 => claims.set("iss", Tree::text("accounts.google.com")),
        8 => claims.push("ISS", Tree::text("https://evil.example")),
        9 => claims.push("iss", Tree::text("https://evil.example")),
        10 => claims.set("iss", Tree::text(*random.pick(ISSUERS))),
        11 => claims.remove("aud"),
        12 => claims.set("aud", Tree::texts([audience, "other"])),
        13 => claims.set("aud", Tree::texts(["nobody", audience])),
        14 => claims.set("aud", Tree::List(vec![])),
        15 => claims.set("aud", Tree::List(vec![Tree::text(audience), Tree::word("1")])),
        16 => claims.set("aud", Tree::null()),
        17 => claims.set("aud", Tree::word("1")),
        18 => claims.set("aud", Tree::text("nobody")),
        19 => claims.set("aud", Tree::text(audience.to_uppercase())),
        20 => claims.push("Aud", Tree::text("nobody")),
        _ => claims.set("aud", Tree::List(vec![Tree::text(audience), Tree::null()])),
    }
}

fn times(random: &mut Random, claims: &mut Tree) {
    let seconds = *random.pick(&[-3600, -61, -60, -1, 0, 1, 59, 60, 61, 3600]);
    let at = NOW + seconds;
    let value = match random.below(20) {
        0..=6 => Tree::word(at),
        7 => Tree::word(format!("{at}.5")),
        8 => Tree::word(format!("{at}.0")),
        9 => Tree::word(format!("{at}.999999999")),
        10 => Tree::text(at.to_string()),
        11 => Tree::null(),
        12 => Tree::word("1.9e9"),
        13 => Tree::word("1e18"),
        14 => Tree::word("1e300"),
        15 => Tree::word("-1"),
        16 => Tree::word("9223372036854775808"),
        17 => Tree::word("true"),
        18 => Tree::word("253402300800"),
        _ => Tree::text(""),
    };
    let name = *random.pick(&["exp", "exp", "nbf", "nbf", "iat", "EXP", "Nbf"]);
    if random.percent(8) {
        claims.remove("exp");
    } else if random.percent(8) {
        claims.push(name, value);
    } else {
        claims.set(name, value);
    }
}

/// Everything else in the claims.
fn oddities(random: &mut Random, claims: &mut Tree) {
    let nest = |depth: usize| (0..depth).fold(Tree::text("x"), |inner, _| Tree::List(vec![inner]));
    match random.below(24) {
        0 => claims.push("sub", Tree::text("mallory")),
        1 => claims.push("groups", Tree::texts(["system:masters"])),
        2 => claims.push("Sub", Tree::text("mallory")),
        3 => claims.set("sub", odd_value(random)),
        4 => claims.set("nonce", odd_value(random)),
        5 => claims.set("at_hash", odd_value(random)),
        6 => claims.set("jti", odd_value(random)),
        7 => claims.set("email_verified", odd_value(random)),
        8 => claims.set("deep", nest(*random.pick(&[5, 31, 33, 100]))),
        9 => claims.set("_claim_names", Tree::map([("groups", Tree::text("src"))])),
        10 => {
            claims.set("_claim_names", Tree::map([("x", Tree::text("src"))]));
            claims.set("_claim_sources", Tree::map([("src", Tree::map([("JWT", Tree::text("a.b.c"))]))]));
        }
        11 => claims.set("_claim_names", odd_value(random)),
        12 => claims.set("_claim_sources", odd_value(random)),
        13 => {
            claims.remove("groups");
            claims.set("_claim_names", Tree::map([("groups", Tree::text("src"))]));
            claims.set("_claim_sources", Tree::map([("src", Tree::map([("JWT", Tree::text("a.b.c"))]))]));
        }
        14 => claims.set("events", Tree::map([("x", Tree::Map(vec![]))])),
        15 => claims.set("sub", Tree::text("")),
        16 => claims.push("nested", Tree::map([("a", Tree::word("1")), ("a", Tree::word("2"))])),
        17 => claims.set("name", odd_value(random)),
        18 => claims.set("email", odd_value(random)),
        19 => claims.set("oid", odd_value(random)),
        20 => claims.set("hd", odd_value(random)),
        21 => claims.set("azp", odd_value(random)),
        22 => *claims = Tree::List(vec![claims.clone()]),
        _ => claims.set("wide", Tree::List((0..5000).map(|_| Tree::word("1")).collect())),
    }
}

fn header(random: &mut Random, token: &mut Token) {
    let Token { header, signer, form, .. } = token;
    match random.below(34) {
        0 => header.remove("kid"),
        1 => header.set("kid", Tree::text("unknown")),
        2 => header.set("kid", Tree::text("K1")),
        3 => header.set("kid", Tree::text("k2")),
        4 => header.set("kid", Tree::word("1")),
        5 => header.set("kid", Tree::null()),
        6 => header.set("kid", Tree::text("")),
        7 => header.set("alg", Tree::text("none")),
        8 => header.set("alg", Tree::text("HS256")),
        9 => header.set("alg", Tree::text("es256")),
        10 => header.set("alg", Tree::text("ES384")),
        11 => header.set("alg", Tree::text("RS256")),
        12 => header.remove("alg"),
        13 => header.set("alg", Tree::null()),
        14 => header.set("typ", Tree::text("JWT")),
        15 => header.set("typ", Tree::text("at+jwt")),
        16 => header.set("typ", Tree::text("logout+jwt")),
        17 => header.set("typ", Tree::word("1")),
        18 => header.set("cty", Tree::text("JWT")),
        19 => header.set("crit", Tree::texts(["exp"])),
        20 => header.set("crit", Tree::List(vec![])),
        21 => {
            header.set("crit", Tree::texts(["b64"]));
            header.set("b64", Tree::word(*random.pick(&["true", "false"])));
        }
        22 => header.set("jku", Tree::text("https://evil.example/keys")),
        23 => header.set("x5t", Tree::text("AAAA")),
        24 => header.set("jwk", Tree::map([("kty", Tree::text("oct")), ("k", Tree::text("AAAA"))])),
        25 => header.set("zip", Tree::text("DEF")),
        26 => header.push("alg", Tree::text("ES256")),
        27 => header.push("kid", Tree::text("k1")),
        28 => header.push("x", odd_value(random)),
        29 => {
            *signer = Signer::Ed25519;
            *header = Tree::map([("alg", Tree::text("EdDSA")), ("kid", Tree::text("e1"))]);
        }
        30 => *signer = Signer::Foreign,
        31 => *signer = Signer::Second,
        32 => *header = Tree::List(vec![header.clone()]),
        _ => {
            *form = *random.pick(&[
                Form::BrokenSignature,
                Form::Extra,
                Form::NoSignature,
                Form::Padded,
                Form::Space,
                Form::TwoParts,
            ]);
        }
    }
}

fn base64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
