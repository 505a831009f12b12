//! A user as the cache keeps it for long: one text, a few bytes longer than the names in it.
//!
//! The text has the contents of JSON strings, escaped already, so that writing an answer is copying. JSON escapes control
//! characters, hence some of them are free to say what follows: each string ends with the mark of the next.

use triomphe::Arc;

use super::UserInfo;
use super::identity::CREDENTIAL_ID;

/// A user in one piece. What is empty is not in it. The counter is half as long as the standard library's, which also counts
/// weak references.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackedUser(Arc<str>);

/// What a string is. The first is always the user name.
#[derive(Clone, Copy)]
#[repr(u8)]
enum Mark {
    End,
    Uid,
    Group,
    /// The name of an extra attribute.
    Key,
    /// A value of the attribute that was named last.
    Value,
    /// The first value of [`CREDENTIAL_ID`], which nearly every token has: its name would take more room than all else.
    Credential,
    Username,
}

impl PackedUser {
    /// How many bytes it takes up, the counter of references included.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.len() + size_of::<usize>()
    }

    /// Appends the user as JSON (authentication.k8s.io `UserInfo`).
    pub fn write_json(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(br#"{"username":""#);
        let mut mark = Mark::Username;
        for string in self.0.as_bytes().split_inclusive(Mark::is_one) {
            let Some((next, content)) = string.split_last() else { break };
            let next = Mark::of(*next);
            out.extend_from_slice(content);
            mark = match next {
                Mark::Credential => {
                    out.extend_from_slice(mark.until(Mark::Key));
                    out.extend_from_slice(CREDENTIAL_ID.as_bytes());
                    out.extend_from_slice(Mark::Key.until(Mark::Value));
                    Mark::Value
                }
                next => {
                    out.extend_from_slice(mark.until(next));
                    next
                }
            };
        }
    }
}

impl From<&UserInfo> for PackedUser {
    fn from(user: &UserInfo) -> Self {
        let UserInfo { username, uid, groups, extra } = user;
        let uid = Some(uid).filter(|uid| !uid.is_empty());
        let attributes = extra.iter().flat_map(|(key, values)| match values.split_first() {
            Some((first, values)) if key == CREDENTIAL_ID => {
                [(Mark::Credential, first)].into_iter().chain(list(values))
            }
            _ => [(Mark::Key, key)].into_iter().chain(list(values)),
        });
        let mut text = escaped(username);
        let others = uid.map(|uid| (Mark::Uid, uid)).into_iter();
        for (mark, string) in others.chain(groups.iter().map(|group| (Mark::Group, group))).chain(attributes) {
            text.push(char::from(mark as u8));
            text.push_str(&escaped(string));
        }
        text.push(char::from(Mark::End as u8));
        Self(text.into())
    }
}

impl Mark {
    /// In UTF-8 a byte of this size is a character of its own.
    fn is_one(byte: &u8) -> bool {
        *byte <= Self::Credential as u8
    }

    fn of(byte: u8) -> Self {
        match byte {
            1 => Self::Uid,
            2 => Self::Group,
            3 => Self::Key,
            4 => Self::Value,
            5 => Self::Credential,
            _ => Self::End,
        }
    }

    /// The JSON between the contents of a string of this kind and that of the next.
    const fn until(self, next: Self) -> &'static [u8] {
        match (self, next) {
            (Self::Username, Self::Uid) => br#"","uid":""#,
            (Self::Username | Self::Uid, Self::Group) => br#"","groups":[""#,
            (Self::Username | Self::Uid, Self::Key) => br#"","extra":{""#,
            (Self::Username | Self::Uid, _) => br#""}"#,
            (Self::Group, Self::Key) => br#""],"extra":{""#,
            (Self::Group, Self::End) => br#""]}"#,
            (Self::Key, Self::Value) => br#"":[""#,
            (Self::Key, Self::Key) => br#"":[],""#,
            (Self::Key, _) => br#"":[]}}"#,
            (Self::Value, Self::Key) => br#""],""#,
            (Self::Value, Self::End) => br#""]}}"#,
            (Self::Group | Self::Value, _) => br#"",""#,
            (Self::Credential | Self::End, _) => b"",
        }
    }
}

fn list(values: &[String]) -> impl Iterator<Item = (Mark, &String)> {
    values.iter().map(|value| (Mark::Value, value))
}

/// The contents of a JSON string.
fn escaped(text: &str) -> String {
    let mut json = serde_json::to_string(text).expect("every text has a JSON form");
    json.pop();
    json.split_off(1)
}

#[cfg(test)]
mod tests {
    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;

    use super::*;

    fn json(user: &UserInfo) -> String {
        let mut out = Vec::new();
        PackedUser::from(user).write_json(&mut out);
        String::from_utf8(out).unwrap()
    }

    proptest! {
        #[test]
        fn a_packed_user_is_written_as_the_user_would_be(
            username in any::<String>(),
            uid in any::<String>(),
            groups in vec(any::<String>(), 0..4),
            mut extra in btree_map(any::<String>(), vec(any::<String>(), 0..3), 0..4),
            credential in vec(any::<String>(), 0..3),
        ) {
            extra.insert(CREDENTIAL_ID.to_owned(), credential);
            let user = UserInfo { username, uid, groups, extra };
            prop_assert_eq!(json(&user), serde_json::to_string(&user).unwrap());
        }
    }

    #[test]
    fn names_that_look_like_json_or_marks_stay_names() {
        let user = UserInfo {
            username: "a\",\"uid\":\"root\u{1}x\u{0}\u{4}".to_owned(),
            uid: String::new(),
            groups: vec![String::new(), "\u{2}system:masters".to_owned()],
            extra: [("k\u{3}".to_owned(), vec![]), ("l".to_owned(), vec![String::new()])].into(),
        };
        assert_eq!(json(&user), serde_json::to_string(&user).unwrap());
    }

    #[test]
    fn it_takes_little_more_than_the_names() {
        let user = UserInfo {
            username: "oidc:alice".to_owned(),
            uid: "7".to_owned(),
            groups: vec!["oidc:dev".to_owned(), "oidc:ops".to_owned()],
            extra: [("example.com/team", "red"), (CREDENTIAL_ID, "JTI=1")]
                .map(|(key, value)| (key.to_owned(), vec![value.to_owned()]))
                .into(),
        };
        let names = "oidc:alice7oidc:devoidc:opsexample.com/teamredJTI=1".len();
        assert_eq!(PackedUser::from(&user).bytes(), names + 7 + 8);
    }
}
