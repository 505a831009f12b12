//! A rollout, followed until every control-plane node has the latest revision of kube-apiserver.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::super::cluster::{Cluster, ClusterError};
use super::super::live::API_SERVER_PATH;
use super::super::objects::Object;
use super::super::rules::{degraded, failure, has_rolled_out_since};
use super::{Operator, Pace};

/// How a rollout ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// It stopped: what the operator says.
    Degraded(String),
    /// Every node has this revision.
    Done(i64),
    /// Our own credential is not taken any more.
    LockedOut(String),
    /// It takes longer than we were told to wait: how far it is.
    TimedOut(String),
    /// The operator saw nothing that needs a new revision.
    Unchanged(i64),
    /// Nothing was changed now, and no rollout is seen since the last change.
    Unseen(i64),
}

/// A rollout from a moment on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Follow {
    baseline: i64,
    /// When what is followed was changed, if that was before we looked.
    since: Option<String>,
    degraded_since: Option<Duration>,
    done_since: Option<(i64, Duration)>,
}

impl From<&Object> for Follow {
    /// Takes what the operator of kube-apiserver says before a change.
    fn from(api_server: &Object) -> Self {
        Self { baseline: latest(api_server), since: None, degraded_since: None, done_since: None }
    }
}

impl Follow {
    /// Takes up the rollout of a change that somebody else has made, or we before; nothing if one was seen to end since then.
    /// Nodes that all have the latest revision prove nothing: operators take minutes to make the next.
    pub(super) fn of_change(api_server: &Object, moment: &str) -> Option<Self> {
        let latest = latest(api_server);
        let nodes = nodes(api_server);
        let lags = nodes.iter().any(|node| node.current < latest);
        if !lags && !nodes.is_empty() && has_rolled_out_since(api_server, moment) {
            return None;
        }
        let baseline = if lags { latest - 1 } else { latest };
        Some(Self { baseline, since: Some(moment.to_owned()), degraded_since: None, done_since: None })
    }
}

/// Where it is.
#[derive(Debug, PartialEq, Eq)]
enum Sight {
    End(End),
    OnTheWay(String),
}

impl Follow {
    /// Judges what the operator says at a moment after the change.
    fn see(&mut self, api_server: &Object, elapsed: Duration, pace: &Pace) -> Sight {
        let latest = latest(api_server);
        let nodes = nodes(api_server);
        let mut seen = String::new();
        if let Some(node) = nodes.iter().find(|node| node.failed > self.baseline && node.failed > node.current) {
            let Node { name, failed, reason, .. } = node;
            return Sight::End(End::Degraded(format!("revision {failed} did not start on {name}: {reason}")));
        }
        match degraded(api_server) {
            None => self.degraded_since = None,
            Some(what) => {
                let since = *self.degraded_since.get_or_insert(elapsed);
                if elapsed.saturating_sub(since) >= pace.inertia {
                    return Sight::End(End::Degraded(what));
                }
                seen = format!("; degraded, which may pass: {what}");
            }
        }
        let are_there = !nodes.is_empty() && nodes.iter().all(|node| node.current >= latest);
        let has_ended = self.since.as_ref().is_some_and(|since| has_rolled_out_since(api_server, since));
        if (latest > self.baseline || has_ended) && are_there {
            let (revision, since) = *self.done_since.get_or_insert((latest, elapsed));
            if revision == latest && elapsed.saturating_sub(since) >= pace.steady {
                return Sight::End(End::Done(latest));
            }
            if revision != latest {
                self.done_since = Some((latest, elapsed));
            }
        } else {
            self.done_since = None;
        }
        let is_quiet = self.degraded_since.is_none() && self.done_since.is_none();
        if latest == self.baseline && are_there && elapsed >= pace.settle && is_quiet {
            return Sight::End(if self.since.is_some() { End::Unseen(latest) } else { End::Unchanged(latest) });
        }
        Sight::OnTheWay(progress(self.baseline, latest, &nodes) + &seen)
    }
}

/// Follows a rollout to its end.
pub async fn follow(cluster: &Cluster, mut follow: Follow, pace: &Pace, operator: &dyn Operator) -> End {
    let started = Instant::now();
    let mut ticks = interval(pace.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = String::new();
    let mut forbidden_since = None;
    loop {
        ticks.tick().await;
        let elapsed = started.elapsed();
        let line = match cluster.get(API_SERVER_PATH).await {
            Ok(Some(object)) => {
                forbidden_since = None;
                match follow.see(&Object::from(object), elapsed, pace) {
                    Sight::End(end) => return end,
                    Sight::OnTheWay(line) => line,
                }
            }
            Ok(None) => "the operator's object is not there".to_owned(),
            Err(ClusterError::Refused(refusal)) if refusal.status == 401 => return End::LockedOut(refusal.to_string()),
            // An API server that has just started may not know the rights yet.
            Err(ClusterError::Refused(refusal)) if refusal.status == 403 => {
                if elapsed.saturating_sub(*forbidden_since.get_or_insert(elapsed)) >= pace.inertia {
                    return End::LockedOut(refusal.to_string());
                }
                format!("the operator's object may not be read ({refusal})")
            }
            // One API server after the other restarts; with a single node there is none for a while.
            Err(error) => format!("the API is away ({error})"),
        };
        if line != last {
            operator.hears(&line);
            last = line;
        }
        if elapsed >= pace.timeout {
            return End::TimedOut(last);
        }
    }
}

struct Node<'a> {
    name: &'a str,
    current: i64,
    target: i64,
    failed: i64,
    reason: String,
}

/// When an object was changed last, as Kubernetes writes times (which sort as text). What operators write about it, by way
/// of a subresource, is no change of it.
pub(super) fn last_change(object: &Object) -> &str {
    let entries = object.list("/metadata/managedFields").iter();
    let is_main = |entry: &&Value| entry.get("subresource").and_then(Value::as_str).unwrap_or_default().is_empty();
    let times = entries.filter(is_main).filter_map(|entry| entry.get("time")?.as_str());
    times.max().unwrap_or_default()
}

fn latest(api_server: &Object) -> i64 {
    api_server.at("/status/latestAvailableRevision").as_i64().unwrap_or_default()
}

fn nodes(api_server: &Object) -> Vec<Node<'_>> {
    api_server
        .list("/status/nodeStatuses")
        .iter()
        .map(|value| {
            let number = |field| value.get(field).and_then(Value::as_i64).unwrap_or_default();
            Node {
                name: value.get("nodeName").and_then(Value::as_str).unwrap_or_default(),
                current: number("currentRevision"),
                target: number("targetRevision"),
                failed: number("lastFailedRevision"),
                reason: failure(value),
            }
        })
        .collect()
}

fn progress(baseline: i64, latest: i64, nodes: &[Node<'_>]) -> String {
    if latest == baseline {
        return format!("revision {latest}: the operator has not made a new one yet");
    }
    let mut text = format!("revision {latest}:");
    for (position, node) in nodes.iter().enumerate() {
        let comma = if position == 0 { " " } else { ", " };
        let _ = match node {
            Node { name, current, .. } if *current >= latest => write!(text, "{comma}{name} done"),
            Node { name, current, target, .. } if target > current => {
                write!(text, "{comma}{name} {current} → {target}")
            }
            Node { name, current, .. } => write!(text, "{comma}{name} waits at {current}"),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const PACE: Pace = Pace::with_timeout(Duration::from_secs(1800));

    fn api_server(latest: i64, nodes: &[(i64, i64, i64)], degraded: &str) -> Object {
        let nodes: Vec<Value> = nodes
            .iter()
            .enumerate()
            .map(|(index, (current, target, failed))| {
                json!({"nodeName": format!("m-{index}"), "currentRevision": current, "targetRevision": target,
                    "lastFailedRevision": failed, "lastFailedReason": "InstallerFailed"})
            })
            .collect();
        let conditions = if degraded.is_empty() {
            json!([])
        } else {
            json!([{"type": "ConfigObservationDegraded", "status": "True", "message": degraded}])
        };
        Object::from(
            json!({"status": {"latestAvailableRevision": latest, "nodeStatuses": nodes, "conditions": conditions}}),
        )
    }

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn it_is_done_when_every_node_has_the_new_revision() {
        let mut follow = Follow::from(&api_server(7, &[(7, 0, 0), (7, 0, 0)], ""));
        let mut see =
            |latest, nodes: &[(i64, i64, i64)], at| follow.see(&api_server(latest, nodes, ""), seconds(at), &PACE);
        let on_the_way = |text: &str| Sight::OnTheWay(text.to_owned());
        assert_eq!(
            see(7, &[(7, 0, 0), (7, 0, 0)], 1),
            on_the_way("revision 7: the operator has not made a new one yet")
        );
        assert_eq!(see(8, &[(7, 8, 0), (7, 0, 0)], 9), on_the_way("revision 8: m-0 7 → 8, m-1 waits at 7"));
        assert_eq!(see(8, &[(8, 0, 0), (7, 8, 0)], 200), on_the_way("revision 8: m-0 done, m-1 7 → 8"));
        assert_eq!(see(8, &[(8, 0, 0), (8, 0, 0)], 400), on_the_way("revision 8: m-0 done, m-1 done"));
        assert_eq!(see(9, &[(8, 0, 0), (8, 0, 0)], 405), on_the_way("revision 9: m-0 waits at 8, m-1 waits at 8"));
        assert_eq!(see(9, &[(9, 0, 0), (9, 0, 0)], 800), on_the_way("revision 9: m-0 done, m-1 done"));
        assert_eq!(see(9, &[(9, 0, 0), (9, 0, 0)], 820), Sight::End(End::Done(9)));
    }

    #[test]
    fn a_rollout_that_was_begun_before_is_taken_up_at_its_revision() {
        let mut follow = Follow::of_change(&api_server(8, &[(8, 0, 0), (7, 8, 0)], ""), "").unwrap();
        let there = api_server(8, &[(8, 0, 0), (8, 0, 0)], "");
        assert!(matches!(follow.see(&there, seconds(1), &PACE), Sight::OnTheWay(_)));
        assert_eq!(follow.see(&there, seconds(21), &PACE), Sight::End(End::Done(8)));
    }

    /// Every node has revision 8, and a rollout ended at that time.
    fn ended(time: &str) -> Object {
        let mut object = api_server(8, &[(8, 0, 0), (8, 0, 0)], "").value().clone();
        object["status"]["conditions"] =
            json!([{"type": "NodeInstallerProgressing", "status": "False", "lastTransitionTime": time}]);
        Object::from(object)
    }

    #[test]
    fn nodes_that_are_alike_do_not_prove_that_a_change_was_rolled_out() {
        let change = "2026-11-26T10:00:00Z";
        assert_eq!(Follow::of_change(&ended("2026-11-26T10:05:00Z"), change), None);
        let before = ended("2026-11-26T09:00:00Z");
        let mut follow = Follow::of_change(&before, change).unwrap();
        assert!(matches!(follow.see(&before, seconds(179), &PACE), Sight::OnTheWay(_)));
        assert_eq!(follow.clone().see(&before, seconds(180), &PACE), Sight::End(End::Unseen(8)));
        // The operator says so only after the last node is there.
        let after = ended("2026-11-26T10:05:00Z");
        assert!(matches!(follow.see(&after, seconds(180), &PACE), Sight::OnTheWay(_)));
        assert_eq!(follow.see(&after, seconds(200), &PACE), Sight::End(End::Done(8)));
    }

    #[test]
    fn what_operators_write_about_an_object_is_no_change_of_it() {
        let fields = json!([
            {"manager": "us", "time": "2026-11-26T10:00:00Z"},
            {"manager": "operator", "time": "2026-11-26T12:00:00Z", "subresource": "status"},
        ]);
        let object = Object::from(json!({"metadata": {"managedFields": fields}}));
        assert_eq!(last_change(&object), "2026-11-26T10:00:00Z");
    }

    #[test]
    fn a_node_says_why_a_revision_did_not_start() {
        let mut object = api_server(8, &[(7, 8, 8)], "").value().clone();
        let mut said = |errors: Value| {
            object["status"]["nodeStatuses"][0]["lastFailedRevisionErrors"] = errors;
            let mut follow = Follow::from(&api_server(7, &[(7, 0, 0)], ""));
            match follow.see(&Object::from(object.clone()), seconds(60), &PACE) {
                Sight::End(End::Degraded(what)) => what,
                other => panic!("{other:?}"),
            }
        };
        let start = "revision 8 did not start on m-0: InstallerFailed";
        assert_eq!(said(json!(["no such\n  file", "", "boom"])), format!("{start}: no such file; boom"));
        assert_eq!(said(json!(["é".repeat(1000)])), format!("{start}: {}…", "é".repeat(300)));
    }

    #[test]
    fn a_revision_that_does_not_start_ends_it() {
        let mut follow = Follow::from(&api_server(7, &[(7, 0, 6)], ""));
        let sight = follow.see(&api_server(8, &[(7, 8, 8)], ""), seconds(60), &PACE);
        let what = "revision 8 did not start on m-0: InstallerFailed".to_owned();
        assert_eq!(sight, Sight::End(End::Degraded(what)));
    }

    #[test]
    fn a_failure_of_the_past_is_none_of_ours() {
        let mut follow = Follow::from(&api_server(7, &[(6, 0, 7)], ""));
        let sight = follow.see(&api_server(8, &[(6, 8, 7)], ""), seconds(60), &PACE);
        assert_eq!(sight, Sight::OnTheWay("revision 8: m-0 6 → 8".to_owned()));
    }

    #[test]
    fn a_degraded_condition_counts_when_it_stays() {
        let mut follow = Follow::from(&api_server(7, &[(7, 0, 0)], ""));
        let mut see = |degraded, at| follow.see(&api_server(7, &[(7, 0, 0)], degraded), seconds(at), &PACE);
        let line = "revision 7: the operator has not made a new one yet";
        let degraded =
            || Sight::OnTheWay(format!("{line}; degraded, which may pass: ConfigObservationDegraded: bad secret"));
        assert_eq!(see("bad secret", 10), degraded());
        assert_eq!(see("", 20), Sight::OnTheWay(line.to_owned()));
        assert_eq!(see("bad secret", 30), degraded());
        assert_eq!(see("bad secret", 149), degraded());
        let what = "ConfigObservationDegraded: bad secret".to_owned();
        assert_eq!(see("bad secret", 150), Sight::End(End::Degraded(what)));
    }

    #[test]
    fn an_operator_that_needs_no_new_revision_is_believed_after_a_while() {
        let mut follow = Follow::from(&api_server(7, &[(7, 0, 0)], ""));
        let quiet = api_server(7, &[(7, 0, 0)], "");
        assert!(matches!(follow.see(&quiet, seconds(179), &PACE), Sight::OnTheWay(_)));
        assert_eq!(follow.see(&quiet, seconds(180), &PACE), Sight::End(End::Unchanged(7)));
    }
}
