//! An answer to a review, as a value to compare whole.

use serde_json::Value;

/// What the service said, as kube-apiserver understands it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Answer {
    /// A yes: the user's name and the audiences.
    Accepted { username: String, audiences: Vec<String> },
    /// A plain no, which the API server remembers.
    Refused,
    /// A no with an error, which it does not remember.
    Undecided(String),
}

impl Answer {
    pub(crate) fn of(review: &Value) -> Self {
        let status = &review["status"];
        let error = status["error"].as_str().unwrap_or_default();
        match status["authenticated"].as_bool() {
            Some(true) => {
                assert_eq!(error, "", "a yes has no error: {review}");
                let audiences = status["audiences"].as_array().map(Vec::as_slice).unwrap_or_default();
                Self::Accepted {
                    username: status["user"]["username"].as_str().expect("a yes has a name").to_owned(),
                    audiences: audiences.iter().map(|audience| audience.as_str().unwrap().to_owned()).collect(),
                }
            }
            Some(false) if error.is_empty() => Self::Refused,
            Some(false) => Self::Undecided(error.to_owned()),
            None => panic!("not an answer: {review}"),
        }
    }
}

/// A yes for the API server's own audience.
pub(crate) fn accepted(username: &str) -> Answer {
    Answer::Accepted { username: username.to_owned(), audiences: vec![super::API_AUDIENCE.to_owned()] }
}

/// A plain no.
pub(crate) fn refused() -> Answer {
    Answer::Refused
}

/// A "cannot tell" with this code.
pub(crate) fn undecided(code: &str) -> Answer {
    Answer::Undecided(code.to_owned())
}

/// How often each answer was given, in the order in which they first came.
pub(crate) fn tally(answers: Vec<Answer>) -> Vec<(Answer, usize)> {
    let mut tally: Vec<(Answer, usize)> = Vec::new();
    for answer in answers {
        match tally.iter_mut().find(|(known, _)| *known == answer) {
            Some((_, count)) => *count += 1,
            None => tally.push((answer, 1)),
        }
    }
    tally
}
