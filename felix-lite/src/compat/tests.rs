use std::fs;
use std::path::Path;

use super::*;

fn reader(name: &str, pid: u32) -> Reader {
    let name = name.to_owned();
    Reader { name, pid }
}

fn mode(wanted: NexthopCompatMode) -> CompatMode {
    CompatMode::new(wanted, Duration::from_secs(3600))
}

struct Node {
    dir: tempfile::TempDir,
    state: State,
}

impl Node {
    fn new(value: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("sys").join(COMPAT_MODE);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, format!("{value}\n")).unwrap();
        let network = dir.path().join("proc/self/ns");
        fs::create_dir_all(&network).unwrap();
        std::os::unix::fs::symlink("net:[1]", network.join("net")).unwrap();
        let state = State::open(&dir.path().join("state"), "x").unwrap();
        Self { dir, state }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn runs(&self, pid: u32, name: &str) {
        let folder = self.path().join(format!("proc/{pid}"));
        fs::create_dir_all(folder.join("ns")).unwrap();
        fs::write(folder.join("comm"), format!("{name}\n")).unwrap();
        std::os::unix::fs::symlink("net:[1]", folder.join("ns/net")).unwrap();
    }

    fn ends(&self, pid: u32) {
        fs::remove_dir_all(self.path().join(format!("proc/{pid}"))).unwrap();
    }

    fn ensure(&mut self, mode: &mut CompatMode, now: Instant) -> String {
        mode.processes = Processes::at(&self.dir.path().join("proc"));
        let sysctls = Sysctls::at(&self.dir.path().join("sys"));
        match mode.ensure(&sysctls, &mut self.state, now) {
            Outcome::Done(said) => said.unwrap_or_default(),
            Outcome::Missing => panic!("it is there"),
        }
    }

    fn value(&self) -> String {
        let file = self.path().join("sys").join(COMPAT_MODE);
        fs::read_to_string(file).unwrap().trim().to_owned()
    }

    fn clean(&mut self) {
        let sysctls = Sysctls::at(&self.dir.path().join("sys"));
        assert!(sysctls.restore(&mut self.state).1.is_empty());
    }
}

#[test]
fn it_follows_readers_and_waits_a_moment_for_one_that_has_gone() {
    let mut node = Node::new("1");
    let mut mode = mode(NexthopCompatMode::Auto);
    let start = Instant::now();
    let said = node.ensure(&mut mode, start);
    assert!(
        said.contains("was 1, is 0 now: nobody here needs"),
        "{said}"
    );
    assert_eq!(node.ensure(&mut mode, start), "");
    node.runs(30, "zebra");
    node.runs(4, "bird");
    let said = node.ensure(&mut mode, start);
    assert!(
        said.contains("was 0, is 1 now: bird (pid 4) and 1 more may need"),
        "{said}"
    );
    assert!(
        said.contains("lacks next hops until it reads again"),
        "{said}"
    );
    node.ends(30);
    node.ends(4);
    assert_eq!(node.ensure(&mut mode, start + GRACE / 2), "");
    assert_eq!(node.value(), "1");
    node.ensure(&mut mode, start + GRACE);
    assert_eq!(node.value(), "0");
    node.clean();
    assert_eq!(node.value(), "1");
}

#[test]
fn a_zero_of_somebody_else_is_left_and_so_is_a_one_beside_a_reader() {
    for value in ["0", "1"] {
        let mut node = Node::new(value);
        node.runs(7, "zebra");
        let mut mode = mode(NexthopCompatMode::Auto);
        assert_eq!(node.ensure(&mut mode, Instant::now()), "");
        assert!(mode.said.contains("zebra (pid 7)"), "{}", mode.said);
        assert_eq!(node.value(), value);
        assert!(node.state.record.settings.is_empty());
    }
}

#[test]
fn what_the_user_decides_is_done_whoever_runs() {
    for (wanted, before, after) in [
        (NexthopCompatMode::Enabled, "0", "1"),
        (NexthopCompatMode::Disabled, "1", "0"),
    ] {
        let mut node = Node::new(before);
        node.runs(7, "zebra");
        let said = node.ensure(&mut mode(wanted), Instant::now());
        assert!(said.contains("nexthopCompatMode is "), "{said}");
        assert_eq!(node.value(), after);
        node.clean();
        assert_eq!(node.value(), before);
    }
    // From one to the other, as by another configuration: it is the first value that comes back.
    let mut node = Node::new("1");
    node.ensure(&mut mode(NexthopCompatMode::Disabled), Instant::now());
    node.runs(7, "zebra");
    node.ensure(&mut mode(NexthopCompatMode::Auto), Instant::now());
    assert_eq!(node.value(), "1");
    assert!(node.state.record.settings.is_empty());
}

#[test]
fn where_processes_cannot_be_seen_nothing_is_risked() {
    let mut mode = mode(NexthopCompatMode::Auto);
    let (compat, why) = mode.decide(&Sight::Blind("in the dark"), Instant::now());
    assert!(compat && why.starts_with("in the dark"), "{why}");
    assert_eq!(names(&[reader("zebra", 7)]), "zebra (pid 7)");
}

#[test]
fn a_kernel_without_it_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let mut state = State::open(&dir.path().join("state"), "x").unwrap();
    let sysctls = Sysctls::at(dir.path());
    for wanted in [NexthopCompatMode::Auto, NexthopCompatMode::Enabled] {
        let outcome = mode(wanted).ensure(&sysctls, &mut state, Instant::now());
        assert_eq!(outcome, Outcome::Missing);
    }
}
