//! From Go's RE2 syntax to that of the `regex` crates.
//!
//! Groups capture nothing in the translation: nobody asks for what they captured.

use std::fmt::Write as _;
use std::iter::Peekable;
use std::str::Chars;

use super::classes;

/// As often as anything may be repeated by a number, nested repetitions multiplied.
const MOST_REPEATS: u32 = 1000;

/// Reads a pattern and writes its translation.
pub(super) fn translate(pattern: &str) -> Result<String, String> {
    let mut translation = Translation {
        rest: pattern.chars().peekable(),
        written: String::with_capacity(2 * pattern.len()),
        flags: Flags::default(),
        groups: Vec::new(),
        last: Last::Nothing,
        weight: 0,
        heaviest: 0,
    };
    translation.run()?;
    Ok(translation.written)
}

/// A pattern without what was read already.
pub(super) type Rest<'p> = Peekable<Chars<'p>>;

/// What the piece before this place is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    /// No piece that could be repeated.
    Nothing,
    Piece,
    /// A piece with a repetition behind it; it cannot have another one.
    Repeated,
}

#[derive(Clone, Copy, Default)]
struct Flags {
    fold: bool,
    lines: bool,
    dot_all: bool,
    lazy: bool,
}

struct Translation<'p> {
    rest: Rest<'p>,
    written: String,
    flags: Flags,
    /// The flags outside of each open group, and how often the heaviest piece before it is repeated.
    groups: Vec<(Flags, u32)>,
    last: Last,
    /// How often the innermost parts of the last piece are repeated.
    weight: u32,
    /// The same for all pieces of the current group.
    heaviest: u32,
}

impl Translation<'_> {
    fn run(&mut self) -> Result<(), String> {
        while let Some(c) = self.rest.next() {
            match c {
                '(' if self.rest.peek() == Some(&'?') => self.special_group()?,
                '(' => self.open(self.flags),
                ')' => {
                    let (flags, heaviest) = self.groups.pop().ok_or("has a ) without a (")?;
                    self.written.push(')');
                    let weight = self.heaviest;
                    self.flags = flags;
                    self.heaviest = heaviest;
                    self.piece(weight.max(1));
                }
                '|' => {
                    self.written.push('|');
                    self.last = Last::Nothing;
                }
                '^' | '$' | '.' => {
                    self.written.push(c);
                    self.piece(1);
                }
                '[' => {
                    classes::bracketed(&mut self.rest, &mut self.written)?;
                    self.piece(1);
                }
                '*' | '+' | '?' => self.repeat(c.to_string().as_str(), None)?,
                '{' => self.braces()?,
                '\\' => self.escape()?,
                c => self.literal(c),
            }
        }
        if self.groups.is_empty() { Ok(()) } else { Err("has a ( without a )".to_owned()) }
    }

    fn piece(&mut self, weight: u32) {
        self.last = Last::Piece;
        self.weight = weight;
        self.heaviest = self.heaviest.max(weight);
    }

    fn literal(&mut self, c: char) {
        write_literal(&mut self.written, c);
        self.piece(1);
    }

    fn open(&mut self, flags: Flags) {
        self.groups.push((self.flags, self.heaviest));
        self.flags = flags;
        self.heaviest = 0;
        self.last = Last::Nothing;
        self.written.push_str("(?:");
    }

    /// States all flags, so that none depends on what came before.
    fn write_flags(&mut self) {
        let Flags { fold, lines, dot_all, lazy } = self.flags;
        let all = [('i', fold), ('m', lines), ('s', dot_all), ('U', lazy)];
        let on: String = all.iter().filter(|(_, on)| *on).map(|(name, _)| *name).collect();
        let off: String = all.iter().filter(|(_, on)| !*on).map(|(name, _)| *name).collect();
        self.written.push_str("(?");
        self.written.push_str(&on);
        if !off.is_empty() {
            self.written.push('-');
            self.written.push_str(&off);
        }
        self.written.push(')');
    }

    /// What begins with `(?`: a name, flags for the rest of the group, or a group with flags.
    fn special_group(&mut self) -> Result<(), String> {
        self.rest.next();
        let mut ahead = self.rest.clone();
        let mut first = ahead.next();
        if first == Some('P') {
            first = ahead.next();
        }
        if first == Some('<') {
            self.rest = ahead;
            let name: Option<String> = self.until('>');
            return match name {
                Some(name) if !name.is_empty() && name.chars().all(|c| c == '_' || c.is_ascii_alphanumeric()) => {
                    self.open(self.flags);
                    Ok(())
                }
                _ => Err("has a group whose name is not made of letters, digits and _".to_owned()),
            };
        }
        let mut flags = self.flags;
        let (mut on, mut seen) = (true, false);
        loop {
            match self.rest.next() {
                Some('i') => flags.fold = on,
                Some('m') => flags.lines = on,
                Some('s') => flags.dot_all = on,
                Some('U') => flags.lazy = on,
                Some('-') if on => {
                    (on, seen) = (false, false);
                    continue;
                }
                Some(':') if on || seen => {
                    self.open(flags);
                    self.write_flags();
                    return Ok(());
                }
                Some(')') if on || seen => {
                    self.flags = flags;
                    self.write_flags();
                    self.last = Last::Nothing;
                    return Ok(());
                }
                _ => return Err("has a (? with something else than the flags i, m, s and U behind it".to_owned()),
            }
            seen = true;
        }
    }

    /// Everything before a character, which is left out and skipped.
    fn until(&mut self, end: char) -> Option<String> {
        let mut text = String::new();
        loop {
            match self.rest.next()? {
                c if c == end => return Some(text),
                c => text.push(c),
            }
        }
    }

    fn repeat(&mut self, operator: &str, count: Option<(u32, Option<u32>)>) -> Result<(), String> {
        match self.last {
            Last::Nothing => return Err(format!("has a {operator} with nothing before it to repeat")),
            Last::Repeated => return Err(format!("has a {operator} behind another repetition")),
            Last::Piece => {}
        }
        self.written.push_str(operator);
        if self.rest.next_if_eq(&'?').is_some() {
            self.written.push('?');
        }
        if let Some((least, most)) = count {
            let times = most.unwrap_or(least);
            let weight = match (times, most) {
                (0, Some(_)) => 1,
                (times, _) => self.weight.saturating_mul(times.max(1)),
            };
            if (least >= 2 || most.is_some_and(|most| most >= 2)) && weight > MOST_REPEATS {
                return Err(format!("repeats something more than {MOST_REPEATS} times"));
            }
            self.heaviest = self.heaviest.max(weight);
            self.weight = weight;
        }
        self.last = Last::Repeated;
        Ok(())
    }

    /// A counted repetition, or else a `{` that stands for itself.
    fn braces(&mut self) -> Result<(), String> {
        let mut ahead = self.rest.clone();
        let Some(count) = counts(&mut ahead) else {
            self.literal('{');
            return Ok(());
        };
        self.rest = ahead;
        let (least, most) = count;
        if least > MOST_REPEATS || most.is_some_and(|most| most > MOST_REPEATS || most < least) {
            return Err(format!("has a repetition that is no range up to {MOST_REPEATS}"));
        }
        let operator = match most {
            None => format!("{{{least},}}"),
            Some(most) => format!("{{{least},{most}}}"),
        };
        self.repeat(&operator, Some(count))
    }

    fn escape(&mut self) -> Result<(), String> {
        let next = *self.rest.peek().ok_or("ends with a \\")?;
        match next {
            'A' | 'z' => {
                self.written.push('\\');
                self.written.push(next);
            }
            // Words are of ASCII characters only.
            'b' | 'B' => {
                let _ = write!(self.written, "(?-u:\\{next})");
            }
            'Q' => {
                self.rest.next();
                self.quoted();
                return Ok(());
            }
            'p' | 'P' | 'd' | 'D' | 's' | 'S' | 'w' | 'W' => classes::named(&mut self.rest, &mut self.written)?,
            _ => {
                let c = classes::escaped(&mut self.rest)?;
                self.literal(c);
                return Ok(());
            }
        }
        if matches!(next, 'A' | 'z' | 'b' | 'B') {
            self.rest.next();
        }
        self.piece(1);
        Ok(())
    }

    /// What stands for itself up to `\E`, or up to the end.
    fn quoted(&mut self) {
        while let Some(c) = self.rest.next() {
            if c == '\\' && self.rest.next_if_eq(&'E').is_some() {
                return;
            }
            self.literal(c);
        }
    }
}

/// Reads `n}`, `n,}` or `n,m}`. Numbers beyond what is allowed come out as some number beyond it.
fn counts(rest: &mut Rest<'_>) -> Option<(u32, Option<u32>)> {
    let least = number(rest)?;
    let most = match rest.next()? {
        '}' => return Some((least, Some(least))),
        ',' if rest.next_if_eq(&'}').is_some() => return Some((least, None)),
        ',' => number(rest)?,
        _ => return None,
    };
    (rest.next()? == '}').then_some((least, Some(most)))
}

/// A decimal number without leading zeros.
fn number(rest: &mut Rest<'_>) -> Option<u32> {
    let mut digits = String::new();
    while let Some(digit) = rest.next_if(char::is_ascii_digit) {
        digits.push(digit);
    }
    if digits.is_empty() || (digits.len() > 1 && digits.starts_with('0')) {
        return None;
    }
    Some(digits.parse().unwrap_or(u32::MAX))
}

/// A character that stands for itself, in a class or outside of one.
pub(super) fn write_literal(written: &mut String, c: char) {
    if c.is_ascii_alphanumeric() {
        written.push(c);
    } else {
        let _ = write!(written, "\\x{{{:X}}}", u32::from(c));
    }
}
