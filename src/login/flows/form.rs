//! Forms as OAuth sends them: encoded once, wiped when dropped.

use url::form_urlencoded::byte_serialize;
use zeroize::Zeroizing;

/// A form in the making.
#[derive(Default)]
pub(super) struct Form(Zeroizing<String>);

impl Form {
    /// A form for a grant.
    pub(super) fn for_grant(grant_type: &str) -> Self {
        Self::default().with("grant_type", grant_type)
    }

    /// Adds a field.
    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        // Room first: a string that grows leaves copies of its old content behind.
        let mut grown = Zeroizing::new(String::with_capacity(self.0.len() + 3 * (name.len() + value.len()) + 2));
        grown.push_str(&self.0);
        if !grown.is_empty() {
            grown.push('&');
        }
        grown.extend(byte_serialize(name.as_bytes()));
        grown.push('=');
        grown.extend(byte_serialize(value.as_bytes()));
        self.0 = grown;
        self
    }

    /// Adds several fields.
    pub(super) fn with_all<'a>(self, fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        fields.into_iter().fold(self, |form, (name, value)| form.with(name, value))
    }

    /// The encoded form.
    pub(super) fn encoded(self) -> Zeroizing<String> {
        self.0
    }
}
