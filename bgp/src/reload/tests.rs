use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;

use super::*;

fn text(router_id: &str) -> String {
    format!(
        "apiVersion: rcni.io/v1alpha1\nkind: BGPConfiguration\nmetadata: {{name: default}}\n\
         spec: {{asNumber: 65001, routerID: {router_id}}}\n"
    )
}

/// Between the read for the start and the first look of the watch.
#[tokio::test]
async fn what_is_written_while_the_daemon_starts_is_not_missed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bgp.yaml");
    let running = rcni_config::parse_speaker("bgp.yaml", &text("10.0.0.1")).unwrap();
    std::fs::write(&file, text("10.0.0.2")).unwrap();
    let (changes, mut inlet) = mpsc::channel(1);
    let state = Arc::new(State::new(&file, &running, Instant::now()));
    let reloader = Reloader::new(&file, running, changes, state);
    let (_requests, request_inlet) = mpsc::channel(1);
    let hangup = signal(SignalKind::hangup()).unwrap();
    let task = tokio::spawn(reloader.run(request_inlet, hangup));
    let change = timeout(Duration::from_secs(5), inlet.recv()).await;
    let change = change.expect("it is read").unwrap();
    assert_eq!(change.plan.config.router_id.to_string(), "10.0.0.2");
    task.abort();
}

/// Ten thousand that take effect must not hide the one that is reset.
#[test]
fn those_whose_sessions_end_are_named_first() {
    let peer = |name: &str, effect| report::PeerReport {
        name: name.to_owned(),
        range: false,
        effect,
        fields: Vec::new(),
    };
    let mut peers: Vec<_> = (0..50).map(|_| peer("live", Effect::Live)).collect();
    peers.push(peer("reset", Effect::Reset));
    peers.push(peer("removed", Effect::Removed));
    let report = Report {
        peers,
        ..Report::default()
    };
    let named: Vec<&str> = told(&report).map(|peer| &*peer.name).take(3).collect();
    assert_eq!(named, ["reset", "removed", "live"]);
    assert_eq!(told(&report).count(), 52);
}
