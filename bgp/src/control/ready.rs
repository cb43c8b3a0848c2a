//! `/readyz`: whether the node's routes are complete, now.

use rcni_control::health::Check;

use super::model::{Peer, Status};

/// Names that a failure lists.
const NAMED: usize = 5;

/// What must be as it should for traffic to find its way. A node that was drained on purpose has no
/// sessions, and is as it should be.
#[must_use]
pub fn checks(status: &Status) -> Vec<Check> {
    vec![
        Check::new("end-of-rib", end_of_rib(status)),
        Check::new("sessions", sessions(status)),
        Check::new("kernel", kernel(status)),
    ]
}

/// All initial routes are here, or not waited for any more.
fn end_of_rib(status: &Status) -> Result<(), String> {
    let operation = &status.operation;
    if operation.drain.is_drained() || (operation.synced && operation.learning.is_empty()) {
        return Ok(());
    }
    let names: Vec<&str> = operation
        .learning
        .iter()
        .take(NAMED)
        .map(String::as_str)
        .collect();
    let more = match operation.learning.len().checked_sub(NAMED) {
        Some(more) if more > 0 => format!(" and {more} more"),
        _ => String::new(),
    };
    Err(match names.is_empty() {
        true => "routes are being selected".to_owned(),
        false => format!(
            "waiting for the initial routes of {}{more}",
            names.join(", ")
        ),
    })
}

/// Somebody knows that the node is here. What a lost peer has told may still be in use.
fn sessions(status: &Status) -> Result<(), String> {
    let peers = &status.peers;
    let expects = !(peers.is_empty() && status.links.is_empty());
    let is_kept = |peer: &Peer| peer.details.stale.routes > 0;
    if !expects
        || status.operation.drain.is_drained()
        || peers.iter().any(|peer| peer.is_up() || is_kept(peer))
    {
        return Ok(());
    }
    Err(format!("none of {} sessions is established", peers.len()))
}

fn kernel(status: &Status) -> Result<(), String> {
    match &status.kernel.trouble {
        Some(trouble) if status.kernel.install => Err(trouble.clone()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::render::tests::{down, peer, status};

    fn failed(status: &Status) -> Vec<String> {
        let checks = checks(status).into_iter();
        checks
            .filter(|check| check.failure.is_some())
            .map(|check| check.name)
            .collect()
    }

    #[test]
    fn what_is_not_complete_is_named() {
        let mut all = status(vec![peer("tor-a", "10.0.1.1"), down("tor-b", "10.0.2.1")]);
        assert_eq!(failed(&all), [""; 0]);
        all.operation.learning = (0..7).map(|number| format!("tor-{number}")).collect();
        let told = checks(&all).remove(0).failure.unwrap();
        assert!(
            told.ends_with("tor-0, tor-1, tor-2, tor-3, tor-4 and 2 more"),
            "{told}"
        );
        all.operation.learning.clear();
        all.operation.synced = false;
        assert_eq!(failed(&all), ["end-of-rib"]);
        all.operation.synced = true;
        all.kernel.trouble = Some("netlink is gone".to_owned());
        assert_eq!(failed(&all), ["kernel"]);
        all.kernel.install = false;
        assert_eq!(failed(&all), [""; 0]);
    }

    #[test]
    fn one_session_is_enough_and_so_are_kept_routes_or_a_drain() {
        let mut all = status(vec![down("tor-a", "10.0.1.1"), down("tor-b", "10.0.2.1")]);
        assert_eq!(failed(&all), ["sessions"]);
        all.peers[0].details.stale.routes = 3;
        assert_eq!(failed(&all), [""; 0]);
        all.peers[0].details.stale.routes = 0;
        all.operation.drain.state = "drained".to_owned();
        assert_eq!(failed(&all), [""; 0]);
        assert_eq!(failed(&status(vec![])), [""; 0], "nobody is expected");
    }
}
