//! Sets of characters: `[a-z]`, `\d`, `\p{Greek}`, and characters with a `\` before them.

use super::names;
use super::translate::{Rest, write_literal};

/// The sets in `[:…:]`, all of them of ASCII characters.
const POSIX: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper", "word",
    "xdigit",
];
/// As many characters as `[:^xdigit:]` has.
const LONGEST_POSIX: usize = 11;

/// Translates what follows a `[`.
pub(super) fn bracketed(rest: &mut Rest<'_>, written: &mut String) -> Result<(), String> {
    written.push('[');
    if rest.next_if_eq(&'^').is_some() {
        written.push('^');
    }
    let mut first = true;
    loop {
        match rest.peek().copied().ok_or("has a [ without a ]")? {
            ']' if !first => {
                rest.next();
                written.push(']');
                return Ok(());
            }
            '[' if posix(rest, written)? => {}
            '\\' if rest.clone().nth(1).is_some_and(|c| "pPdDsSwW".contains(c)) => {
                rest.next();
                named(rest, written)?;
            }
            _ => range(rest, written)?,
        }
        first = false;
    }
}

/// Translates `[:name:]` or `[:^name:]`, if that is what follows.
fn posix(rest: &mut Rest<'_>, written: &mut String) -> Result<bool, String> {
    let text: String = rest.clone().take(LONGEST_POSIX).collect();
    let Some(inside) = text.strip_prefix("[:") else { return Ok(false) };
    let name = inside.split_once(":]").map_or(inside, |(name, _)| name);
    if !POSIX.contains(&name.strip_prefix('^').unwrap_or(name)) {
        return Err("has a [: in [] that begins no set such as [:alpha:]".to_owned());
    }
    written.push_str("[:");
    written.push_str(name);
    written.push_str(":]");
    // The name is ASCII, and two characters stand on each side of it.
    rest.nth(name.len() + 3);
    Ok(true)
}

/// Translates one character, or two with a `-` between them.
fn range(rest: &mut Rest<'_>, written: &mut String) -> Result<(), String> {
    let low = character(rest)?;
    write_literal(written, low);
    let mut ahead = rest.clone();
    if ahead.next() == Some('-') && ahead.peek().is_some_and(|c| *c != ']') {
        let high = character(&mut ahead)?;
        if high < low {
            return Err("has a range in [] that ends before it begins".to_owned());
        }
        *rest = ahead;
        written.push('-');
        write_literal(written, high);
    }
    Ok(())
}

fn character(rest: &mut Rest<'_>) -> Result<char, String> {
    match rest.next() {
        None => Err("has a [ without a ]".to_owned()),
        Some('\\') => escaped(rest),
        Some(c) => Ok(c),
    }
}

/// Translates what follows a `\`: one of `d`, `s`, `w`, `p`, in either case.
pub(super) fn named(rest: &mut Rest<'_>, written: &mut String) -> Result<(), String> {
    written.push_str(match rest.next() {
        Some('d') => "[0-9]",
        Some('D') => "[^0-9]",
        Some('s') => r"[\t\n\x0C\r ]",
        Some('S') => r"[^\t\n\x0C\r ]",
        Some('w') => "[0-9A-Za-z_]",
        Some('W') => "[^0-9A-Za-z_]",
        Some('p') => return property(rest, written, false),
        Some('P') => return property(rest, written, true),
        _ => return Err("ends with a \\".to_owned()),
    });
    Ok(())
}

/// A general category or a script.
fn property(rest: &mut Rest<'_>, written: &mut String, negated: bool) -> Result<(), String> {
    let mut name = String::new();
    match rest.next().ok_or("ends with \\p")? {
        '{' => loop {
            match rest.next().ok_or("has a \\p{ without a }")? {
                '}' => break,
                c => name.push(c),
            }
        },
        c => name.push(c),
    }
    let (bare, negated) = name.strip_prefix('^').map_or((name.as_str(), negated), |bare| (bare, !negated));
    if !names::is_known(bare) {
        return Err(format!("has a category or script {bare:?} that does not exist"));
    }
    written.push_str(if negated { "\\P{" } else { "\\p{" });
    written.push_str(bare);
    written.push('}');
    Ok(())
}

/// The character that is meant by what follows a `\`.
pub(super) fn escaped(rest: &mut Rest<'_>) -> Result<char, String> {
    let c = rest.next().ok_or("ends with a \\")?;
    let is_octal = |c: &char| ('0'..='7').contains(c);
    let code = match c {
        'a' => return Ok('\x07'),
        'f' => return Ok('\x0C'),
        'n' => return Ok('\n'),
        'r' => return Ok('\r'),
        't' => return Ok('\t'),
        'v' => return Ok('\x0B'),
        'x' => hexadecimal(rest),
        // A single digit but 0 would be what a group has captured.
        '0'..='7' if c == '0' || rest.peek().is_some_and(is_octal) => {
            let mut code = c.to_digit(8);
            for _ in 0..2 {
                let Some(digit) = rest.next_if(is_octal).and_then(|c| c.to_digit(8)) else { break };
                code = code.map(|code| code * 8 + digit);
            }
            code
        }
        c if c.is_ascii() && !c.is_ascii_alphanumeric() => return Ok(c),
        c => return Err(format!("has an escape \\{c} that does not exist")),
    };
    code.and_then(char::from_u32).ok_or_else(|| format!("has an escape \\{c} without the number of a character"))
}

/// Two digits, or any number of them in braces.
fn hexadecimal(rest: &mut Rest<'_>) -> Option<u32> {
    let mut digits = String::new();
    match rest.next()? {
        '{' => loop {
            match rest.next()? {
                '}' => break,
                c => digits.push(c),
            }
        },
        c => digits.extend([c, rest.next()?]),
    }
    // The parser would take a sign, too.
    if digits.starts_with('+') { None } else { u32::from_str_radix(&digits, 16).ok() }
}
