//! Which of the requested audiences an accepted token is good for.

/// The requested audiences that the token may be used for, in the requested order without repeats.
///
/// An audience is vouched for when it is one of the API server's own names (`server.apiAudiences`), which every
/// accepted token is good for, or when the token itself carries it and it is configured for the issuer. Nothing asked,
/// nothing answered. `None` means that audiences were asked for and none can be vouched for: the review must be
/// refused, since an empty list would be read as "good for the API server" (authentication.k8s.io `status.audiences`).
#[must_use]
pub fn vouched(requested: Vec<String>, api: &[String], token: &[String]) -> Option<Vec<String>> {
    let nothing_asked = requested.is_empty();
    let mut vouched: Vec<String> = Vec::with_capacity(requested.len());
    for audience in requested {
        let good = api.contains(&audience) || token.contains(&audience);
        if good && !vouched.contains(&audience) {
            vouched.push(audience);
        }
    }
    (nothing_asked || !vouched.is_empty()).then_some(vouched)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn nothing_asked_is_nothing_answered() {
        assert_eq!(vouched(vec![], &list(&["api"]), &list(&["client"])), Some(vec![]));
    }

    #[test]
    fn d15_only_the_intersection_is_answered_in_the_requested_order() {
        let requested = list(&["foreign", "client", "api", "client"]);
        assert_eq!(vouched(requested, &list(&["api"]), &list(&["client", "other"])), Some(list(&["client", "api"])));
    }

    #[test]
    fn d15_a_foreign_audience_alone_is_refused() {
        assert_eq!(vouched(list(&["foreign"]), &list(&["api"]), &list(&["client"])), None);
    }

    #[test]
    fn d15_audiences_are_compared_byte_for_byte() {
        assert_eq!(vouched(list(&["API", "api/"]), &list(&["api"]), &[]), None);
    }
}
