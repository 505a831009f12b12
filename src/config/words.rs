//! Plain words that are texts in YAML 1.2 and none in YAML 1.1, by which kube-apiserver reads: `yes` is true there, and
//! `1__0` a number.
//!
//! [`yaml`](super::yaml) puts what they mean into the [`tree`](super::tree) of Kubernetes' part of a document, so that
//! they are refused where a text is wanted, and taken where Kubernetes takes them.

use std::collections::HashSet;

use serde_json::Value;
use serde_saphyr::Location;
use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle, options};

/// Where in a document such words are.
#[derive(Debug)]
pub(super) struct Words(HashSet<(u64, u64)>);

impl Words {
    /// Goes through a text that was read without an error.
    pub(super) fn of(text: &str) -> Self {
        let events = Parser::new_from_str_with_options(text, options! { emit_comments: false });
        let places = events.map_while(Result::ok).filter_map(|(event, span)| match event {
            Event::Scalar(word, ScalarStyle::Plain, _, None) if meaning(&word).is_some() => {
                let (line, before) = (u64::try_from(span.start.line()), u64::try_from(span.start.col()));
                Some((line.ok()?, before.ok()? + 1))
            }
            _ => None,
        });
        Self(places.collect())
    }

    /// What the text that stands at a place means to Kubernetes, if that is no text.
    pub(super) fn meaning(&self, place: &Location, text: &str) -> Option<Value> {
        meaning(text).filter(|_| self.0.contains(&(place.line(), place.column())))
    }
}

fn meaning(word: &str) -> Option<Value> {
    match word {
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Some(true.into()),
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Some(false.into()),
        // No field holds a number, so which one makes no difference.
        _ => is_number(word).then(|| 0.into()),
    }
}

/// Numbers may have underscores anywhere but in front.
fn is_number(word: &str) -> bool {
    if !word.starts_with(|first: char| first.is_ascii_digit() || matches!(first, '+' | '-')) {
        return false;
    }
    let word = word.replace('_', "");
    let digits = word.strip_prefix(['+', '-']).unwrap_or(&word);
    let is_of = |prefixes: [&str; 2], radix| {
        let digits = prefixes.iter().find_map(|prefix| digits.strip_prefix(prefix));
        digits.is_some_and(|digits| u64::from_str_radix(digits, radix).is_ok())
    };
    let is_decimal = || {
        digits.starts_with(|first: char| first.is_ascii_digit() || first == '.')
            && digits.parse::<f64>().is_ok_and(f64::is_finite)
    };
    is_of(["0x", "0X"], 16) || is_of(["0o", "0O"], 8) || is_of(["0b", "0B"], 2) || is_decimal()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_mean_what_yaml_1_1_says() {
        for (word, expected) in [
            ("yes", Some(true)),
            ("Y", Some(true)),
            ("ON", Some(true)),
            ("n", Some(false)),
            ("Off", Some(false)),
            ("yEs", None),
            ("yes!", None),
            ("", None),
        ] {
            assert_eq!(meaning(word), expected.map(Value::from), "{word}");
        }
        for word in ["1__0", "0_7", "1_000.5", "+_1", "1_0e5", "0x_1F", "-0b1_", "0o_7"] {
            assert_eq!(meaning(word), Some(0.into()), "{word}");
        }
        for word in ["_1", "1_x", "0x_", "0b_2", "+_", "-", "1_e400", "-_inf", "1:2_0", "2001-01-01"] {
            assert_eq!(meaning(word), None, "{word}");
        }
    }

    #[test]
    fn only_plain_words_without_a_tag_are_meant() {
        let words = Words::of("a: yes\nb: 'yes'\nc: \"yes\"\nd: !!str yes\ne: |\n  yes\nf: [x, &a no]\n");
        assert_eq!(words.0, HashSet::from([(1, 4), (7, 11)]));
    }
}
