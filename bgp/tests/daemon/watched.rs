//! `rcni-bgp watch`, driven in a real terminal: tmux, with a server of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::common::{Daemon, PROGRAM, pair, wait};
use super::{config_a, config_b};

/// A terminal of 80 columns and 24 lines with a program in it.
struct Screen {
    server: PathBuf,
}

impl Screen {
    fn start(folder: &Path, command: &str) -> Self {
        let screen = Self {
            server: folder.join("tmux"),
        };
        let begun = screen.tmux(&["new-session", "-d", "-x", "80", "-y", "24", command]);
        assert!(begun.is_some(), "tmux is needed (package tmux)");
        screen
    }

    fn tmux(&self, arguments: &[&str]) -> Option<String> {
        let mut command = Command::new("tmux");
        let command = command.args(["-f", "/dev/null", "-S"]).arg(&self.server);
        let output = command.args(arguments).env("TERM", "xterm").output().ok()?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        output.status.success().then_some(said)
    }

    fn text(&self) -> String {
        self.tmux(&["capture-pane", "-p"]).unwrap_or_default()
    }

    fn press(&self, key: &str) {
        self.tmux(&["send-keys", key])
            .expect("the terminal is there");
    }

    #[track_caller]
    fn wait_for(&self, what: &str) -> String {
        wait(&format!("{what:?} on the screen"), || {
            let text = self.text();
            text.contains(what).then_some(text)
        })
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

#[test]
fn sessions_and_events_are_on_80_by_24_and_q_ends() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = pair();
    let mut daemon = Daemon::start(&a, folder.path(), "a", &config_a());
    wait("it answers", || daemon.json());
    let socket = daemon.socket.display();
    let command =
        format!("{PROGRAM} watch --interval 200ms --socket {socket}; echo ended with $?; sleep 60");
    let screen = Screen::start(folder.path(), &command);
    screen.wait_for("0 of 1 peers established");
    let _other = Daemon::start(&b, folder.path(), "b", &config_b());
    let text = screen.wait_for("1 of 1 peers established");
    let lines: Vec<&str> = text.lines().collect();
    assert!(
        lines.len() == 24 && lines.iter().all(|line| line.chars().count() <= 80),
        "{text}"
    );
    screen.wait_for("other: End-of-RIB for ipv4 unicast; routes received: 2");
    let text = screen.wait_for("kernel: 2 installed");
    let row = text.lines().find(|line| line.starts_with("other")).unwrap();
    assert!(row.contains("Established"), "{text}");

    // It is not at its end when the daemon is.
    daemon.signal(rustix::process::Signal::TERM);
    assert_eq!(daemon.ended(), Some(0));
    screen.wait_for("the daemon is not running");
    let daemon = Daemon::start(&a, folder.path(), "a", &config_a());
    daemon.established();
    screen.wait_for("1 of 1 peers established");
    screen.press("q");
    screen.wait_for("ended with 0");
}

#[test]
fn without_a_terminal_it_says_what_to_use() {
    let output = Command::new(PROGRAM).arg("watch").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("rcni-bgp events --follow"), "{said}");
}
