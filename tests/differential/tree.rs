//! Documents as trees that may hold what maps cannot: members twice, numbers and words as they are written.

use std::collections::BTreeSet;
use std::fmt::Write;

/// A JSON or YAML document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Tree {
    List(Vec<Self>),
    Map(Vec<(String, Self)>),
    Text(String),
    /// Written as it is: a number, `true`, `null`, or in YAML a plain word.
    Word(String),
}

impl Tree {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    pub(crate) fn word(word: impl ToString) -> Self {
        Self::Word(word.to_string())
    }

    pub(crate) fn null() -> Self {
        Self::word("null")
    }

    pub(crate) fn texts(texts: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self::List(texts.into_iter().map(Self::text).collect())
    }

    pub(crate) fn map<const N: usize>(members: [(&str, Self); N]) -> Self {
        Self::Map(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// Puts a member at the end, whether or not there is one of that name.
    pub(crate) fn push(&mut self, name: &str, value: Self) {
        if let Self::Map(members) = self {
            members.push((name.to_owned(), value));
        }
    }

    /// Replaces a member or puts it at the end.
    pub(crate) fn set(&mut self, name: &str, value: Self) {
        if let Self::Map(members) = self {
            members.retain(|(known, _)| known != name);
            members.push((name.to_owned(), value));
        }
    }

    pub(crate) fn remove(&mut self, name: &str) {
        if let Self::Map(members) = self {
            members.retain(|(known, _)| known != name);
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Map(members) => members.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value),
            _ => None,
        }
    }

    pub(crate) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn items(&self) -> &[Self] {
        match self {
            Self::List(items) => items,
            _ => &[],
        }
    }

    pub(crate) fn members(&self) -> &[(String, Self)] {
        match self {
            Self::Map(members) => members,
            _ => &[],
        }
    }

    /// Nested lists and maps, this one included.
    pub(crate) fn depth(&self) -> usize {
        let inner = self.items().iter().chain(self.members().iter().map(|(_, value)| value));
        match self {
            Self::List(_) | Self::Map(_) => 1 + inner.map(Self::depth).max().unwrap_or_default(),
            Self::Text(_) | Self::Word(_) => 0,
        }
    }

    pub(crate) fn has_duplicates(&self) -> bool {
        self.nodes().iter().any(|node| {
            let names: BTreeSet<_> = node.members().iter().map(|(name, _)| name).collect();
            names.len() < node.members().len()
        })
    }

    pub(crate) fn has_number_beyond_floats(&self) -> bool {
        let is_beyond = |word: &str| word.parse::<f64>().is_ok_and(f64::is_infinite);
        self.nodes().iter().any(|node| matches!(node, Self::Word(word) if is_beyond(word)))
    }

    /// Every node, this one first.
    pub(crate) fn nodes(&self) -> Vec<&Self> {
        let mut found = vec![self];
        match self {
            Self::List(items) => found.extend(items.iter().flat_map(Self::nodes)),
            Self::Map(members) => found.extend(members.iter().flat_map(|(_, value)| value.nodes())),
            Self::Text(_) | Self::Word(_) => {}
        }
        found
    }

    /// The node with that place in the order of [`Self::nodes`].
    pub(crate) fn node_mut(&mut self, place: usize) -> Option<&mut Self> {
        fn find<'a>(tree: &'a mut Tree, left: &mut usize) -> Option<&'a mut Tree> {
            if *left == 0 {
                return Some(tree);
            }
            *left -= 1;
            match tree {
                Tree::List(items) => items.iter_mut().find_map(|item| find(item, left)),
                Tree::Map(members) => members.iter_mut().find_map(|(_, value)| find(value, left)),
                Tree::Text(_) | Tree::Word(_) => None,
            }
        }
        let mut left = place;
        find(self, &mut left)
    }

    pub(crate) fn json(&self) -> String {
        let mut out = String::new();
        self.write_json(&mut out);
        out
    }

    fn write_json(&self, out: &mut String) {
        match self {
            Self::Word(word) => out.push_str(word),
            Self::Text(text) => out.push_str(&quoted(text)),
            Self::List(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    item.write_json(out);
                }
                out.push(']');
            }
            Self::Map(members) => {
                out.push('{');
                for (index, (name, value)) in members.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    let _ = write!(out, "{}:", quoted(name));
                    value.write_json(out);
                }
                out.push('}');
            }
        }
    }

    /// Block style; words are plain, texts double-quoted.
    pub(crate) fn yaml(&self) -> String {
        let mut out = String::new();
        self.write_yaml(0, &mut out);
        out
    }

    fn write_yaml(&self, depth: usize, out: &mut String) {
        let indent = "  ".repeat(depth);
        match self {
            Self::List(items) if !items.is_empty() => {
                for item in items {
                    let _ = write!(out, "{indent}-");
                    item.write_yaml_value(depth, out);
                }
            }
            Self::Map(members) if !members.is_empty() => {
                for (name, value) in members {
                    // A merge key is none in quotes.
                    let is_plain = name == "<<" || name.chars().all(|c| c.is_ascii_alphanumeric()) && !name.is_empty();
                    let name = if is_plain { name.clone() } else { quoted(name) };
                    let _ = write!(out, "{indent}{name}:");
                    value.write_yaml_value(depth, out);
                }
            }
            flat => {
                let _ = writeln!(out, "{indent}{}", flat.json());
            }
        }
    }

    fn write_yaml_value(&self, depth: usize, out: &mut String) {
        let is_block = match self {
            Self::List(items) => !items.is_empty(),
            Self::Map(members) => !members.is_empty(),
            Self::Text(_) | Self::Word(_) => false,
        };
        if is_block {
            out.push('\n');
            self.write_yaml(depth + 1, out);
        } else {
            let _ = writeln!(out, " {}", self.json());
        }
    }

    /// All trees that are smaller by one step.
    pub(crate) fn smaller(&self) -> Vec<Self> {
        let mut found = Vec::new();
        match self {
            // Item by item would take for ever.
            Self::List(items) if items.len() > 16 => {
                let (first, second) = items.split_at(items.len() / 2);
                found.extend([Self::List(first.to_vec()), Self::List(second.to_vec())]);
            }
            Self::List(items) => {
                for index in 0..items.len() {
                    let mut fewer = items.clone();
                    fewer.remove(index);
                    found.push(Self::List(fewer));
                }
                for (index, item) in items.iter().enumerate() {
                    for smaller in item.smaller() {
                        let mut changed = items.clone();
                        changed[index] = smaller;
                        found.push(Self::List(changed));
                    }
                }
            }
            Self::Map(members) => {
                for index in 0..members.len() {
                    let mut fewer = members.clone();
                    fewer.remove(index);
                    found.push(Self::Map(fewer));
                }
                for (index, (_, value)) in members.iter().enumerate() {
                    for smaller in value.smaller() {
                        let mut changed = members.clone();
                        changed[index].1 = smaller;
                        found.push(Self::Map(changed));
                    }
                }
            }
            Self::Text(text) => found.extend(shorter_texts(text).into_iter().map(Self::Text)),
            Self::Word(word) if word != "0" && word != "null" => found.push(Self::word("0")),
            Self::Word(_) => {}
        }
        found
    }
}

/// Texts with one run of tokens less: what makes an expression shorter, too.
pub(crate) fn shorter_texts(text: &str) -> Vec<String> {
    let tokens = tokens(text);
    let mut found = Vec::new();
    let mut length = tokens.len();
    while length > 0 {
        for start in (0..=tokens.len() - length).step_by(length.div_ceil(2)) {
            let kept = tokens[..start].iter().chain(&tokens[start + length..]);
            found.push(kept.copied().collect());
        }
        length /= 2;
    }
    // Inner parts in place of the whole: what stands between a bracket and its partner.
    for (start, token) in tokens.iter().enumerate() {
        if let Some(end) = partner(&tokens, start, token) {
            found.push(tokens[start + 1..end].concat());
            found.push([&tokens[..start], &tokens[end + 1..]].concat().concat());
        }
    }
    found.retain(|shorter: &String| shorter.len() < text.len());
    found.dedup();
    found
}

fn partner(tokens: &[&str], start: usize, open: &str) -> Option<usize> {
    if !matches!(open, "(" | "[" | "{") {
        return None;
    }
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate().skip(start) {
        match *token {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(index);
        }
    }
    None
}

/// Words, quoted strings and single characters.
fn tokens(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let length = if is_word(first) {
            rest.find(|c| !is_word(c)).unwrap_or(rest.len())
        } else if first == '\'' || first == '"' {
            rest[1..].find(first).map_or(1, |end| end + 2)
        } else {
            first.len_utf8()
        };
        let (token, after) = rest.split_at(length);
        found.push(token);
        rest = after;
    }
    found
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}
