//! Which cluster and which user of a kubeconfig are meant.

use serde_json::Value;

use super::fields::Fields;
use super::{Outcome, Problem};

/// The cluster and the user of the current context.
pub(super) struct Selected<'a> {
    pub(super) cluster: Fields<'a>,
    pub(super) user: Fields<'a>,
}

/// Follows the current context. Without one, the cluster and the user that have no name are meant, which is how
/// hand-written webhook kubeconfigs often look.
pub(super) fn current(document: &Value) -> Outcome<Selected<'_>> {
    let root = Fields::new(document, String::new())?;
    let is = |name, wanted| Ok::<_, (String, Problem)>(root.text(name)?.is_none_or(|value| value == wanted));
    if document.is_null() || !is("apiVersion", "v1")? || !is("kind", "Config")? {
        return Err((String::new(), Problem::OtherKind));
    }
    let contexts = named(&root, "contexts")?;
    let (cluster_name, user_name) = match root.text("current-context")? {
        Some(name) => {
            let context = find(&contexts, name, || root.problem("current-context", unknown(&contexts)))?;
            let context = context.mapping("context")?;
            (context.text("cluster")?.unwrap_or_default(), context.text("user")?.unwrap_or_default())
        }
        None => ("", ""),
    };
    let clusters = named(&root, "clusters")?;
    let users = named(&root, "users")?;
    let cluster = find(&clusters, cluster_name, || {
        if cluster_name.is_empty() {
            let remedy = format!("name one of the contexts: {}", names(&contexts));
            root.problem("current-context", Problem::Missing { remedy })
        } else {
            root.problem("clusters", no_entry(cluster_name, &clusters))
        }
    })?;
    let user = if user_name.is_empty() && !users.iter().any(|(name, _)| name.is_empty()) {
        Fields::new(&Value::Null, "users".to_owned())?
    } else {
        find(&users, user_name, || root.problem("users", no_entry(user_name, &users)))?.mapping("user")?
    };
    Ok(Selected { cluster: cluster.mapping("cluster")?, user })
}

type Named<'a> = (&'a str, Fields<'a>);

fn named<'a>(root: &Fields<'a>, list: &str) -> Outcome<Vec<Named<'a>>> {
    let mut entries: Vec<Named<'a>> = Vec::new();
    for entry in root.mappings(list)? {
        let name = entry.text("name")?.unwrap_or_default();
        if entries.iter().any(|(other, _)| *other == name) {
            return Err(entry.problem("name", Problem::Duplicate));
        }
        entries.push((name, entry));
    }
    Ok(entries)
}

fn find<'a, 'b>(
    entries: &'b [Named<'a>],
    name: &str,
    error: impl FnOnce() -> (String, Problem),
) -> Outcome<&'b Fields<'a>> {
    entries.iter().find(|(other, _)| *other == name).map(|(_, entry)| entry).ok_or_else(error)
}

fn unknown(entries: &[Named<'_>]) -> Problem {
    Problem::UnknownName { names: names(entries) }
}

fn no_entry(name: &str, entries: &[Named<'_>]) -> Problem {
    Problem::Missing { remedy: format!("the context asks for {name:?}, and there are: {}", names(entries)) }
}

fn names(entries: &[Named<'_>]) -> String {
    if entries.is_empty() {
        return "none".to_owned();
    }
    entries.iter().map(|(name, _)| format!("{name:?}")).collect::<Vec<_>>().join(", ")
}
