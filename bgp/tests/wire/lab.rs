//! The daemon (AS 65000, 10.99.0.1) in a namespace of its own, and its peers in another: a puppet
//! (AS 65001, 10.99.0.2) that says what a test tells it, and an observer (AS 65009, 10.99.0.3).

use std::io::Write;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::process::Stdio;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tempfile::TempDir;

use super::bytes::{NEXT_HOP, ORIGIN, Open, update};
use super::observer::{Observer, Route};
use super::puppet::Puppet;
use super::session::Session;
use super::setup::Setup;
use crate::common::{Daemon, Namespace, wait};

/// The prefix of the rows, as octets and as text.
pub const P: &str = "18 644001";
pub const P_TEXT: &str = "100.64.1.0/24";

/// The ends of the observer's session.
const OBSERVER: [&str; 2] = ["10.99.0.3", "10.99.0.1"];

/// Everything that runs; ended in this order.
pub struct Lab {
    pub observer: Observer,
    pub daemon: Daemon,
    here: Namespace,
    there: Namespace,
    setup: Setup,
    sentinels: std::cell::Cell<u8>,
    _folder: TempDir,
}

impl Lab {
    pub fn new(setup: Setup) -> Self {
        let (here, there) = (Namespace::new(), Namespace::new());
        // Without link-local addresses: those need a second to be usable.
        batch(
            &here,
            &format!(
                "link add eth0 type veth peer name eth0 netns {}
                 address add 10.99.0.1/24 dev eth0
                 address add fd00:99::1/64 dev eth0 nodad
                 link set eth0 addrgenmode none
                 link set eth0 up",
                there.pid()
            ),
        );
        batch(
            &there,
            "address add 10.99.0.2/24 dev eth0
             address add 10.99.0.3/24 dev eth0
             address add fd00:99::2/64 dev eth0 nodad
             link set eth0 addrgenmode none
             link set eth0 up",
        );
        let folder = tempfile::tempdir().unwrap();
        let daemon = Daemon::start(&here, folder.path(), "bgp", &setup.config());
        let stream = wait("the daemon listens", || dial(&there, OBSERVER).ok());
        Self {
            observer: Observer::new(Session::new(stream, true)),
            daemon,
            here,
            there,
            setup,
            sentinels: std::cell::Cell::new(0),
            _folder: folder,
        }
    }

    /// The rows' lab with the puppet's session, over which P was announced cleanly.
    pub fn with_route(setup: Setup) -> (Self, Puppet) {
        let lab = Self::new(setup);
        let puppet = lab.established();
        lab.clean(&puppet);
        (lab, puppet)
    }

    fn clean_attributes(&self) -> String {
        [ORIGIN, self.setup.clean_path, NEXT_HOP].concat()
    }

    /// `ip` with these arguments at the daemon.
    pub fn ip(&self, arguments: &str) {
        self.here.ip(arguments);
    }

    /// P from the puppet, seen by the observer.
    pub fn clean(&self, puppet: &Puppet) {
        let nlri = [self.setup.path_id, P].concat();
        puppet.send(&update("", &self.clean_attributes(), &nlri));
        let expected = self.told(&["0000fde9"], &[]);
        self.observer
            .sees(P_TEXT, |route| route.texts() == expected);
    }

    /// A connection of the puppet's, nothing said yet.
    pub fn connect(&self) -> Puppet {
        let stream = dial(&self.there, self.setup.ends).unwrap();
        Puppet::new(stream)
    }

    /// The connection that the daemon makes, once the puppet listens.
    pub fn dialled(&self) -> Puppet {
        let [puppet, _] = self.setup.ends;
        let listener = self
            .there
            .run(move || async move { TcpListener::bind((puppet, 179)).unwrap() });
        listener.set_nonblocking(true).unwrap();
        let (stream, _) = wait("the daemon dials", || listener.accept().ok());
        stream.set_nonblocking(false).unwrap();
        Puppet::new(stream)
    }

    /// A session of the puppet's that is up.
    pub fn established(&self) -> Puppet {
        self.open(&self.setup.open)
    }

    /// A session with this OPEN, which the daemon must accept.
    pub fn open(&self, open: &Open) -> Puppet {
        let puppet = self.connect();
        puppet.opens(open);
        puppet
    }

    /// What the observer is told of a route that the puppet announced with B and this path:
    /// attributes as they stand on the wire, `more` of them ascending by code with their place.
    pub fn told(&self, path: &[&str], more: &[&str]) -> Vec<String> {
        let path = format!("02{:02x} 0000fde8 {}", path.len() + 1, path.concat());
        let path = super::bytes::attribute(0x40, 2, &super::bytes::hex(&path));
        let known = [ORIGIN, &path, "4003040a630001"];
        let mut all: Vec<String> = known
            .iter()
            .chain(more)
            .map(|text| text.replace(' ', ""))
            .collect();
        all.sort_by_key(|text| text[2..4].to_owned());
        all
    }

    /// A prefix that was never there before arrives over the session: it lives, and so does the
    /// observer's. Twice, so that all that was on its way before has arrived, too.
    pub fn lives(&self, puppet: &Puppet) {
        for _ in 0..2 {
            let number = self.sentinels.get();
            self.sentinels.set(number + 1);
            let nlri = format!("{} 18 6441{number:02x}", self.setup.path_id);
            puppet.send(&update("", &self.clean_attributes(), &nlri));
            self.observer
                .sees(&format!("100.65.{number}.0/24"), |_| true);
        }
        puppet.assert_up("the puppet's session");
        self.sound();
    }

    /// After an error: all routes of the session are gone, and it can come back at once.
    pub fn comes_back(&self) -> Puppet {
        let puppet = self.established();
        self.clean(&puppet);
        self.lives(&puppet);
        puppet
    }

    /// The observer's session has been up all the time, nothing has panicked, and the log is one
    /// that can be read on a terminal.
    fn sound(&self) {
        self.observer.assert_up();
        let log = self.daemon.log();
        assert!(!log.contains("panicked"), "{log}");
        for line in log.lines() {
            assert!(line.chars().all(harmless), "not escaped: {line:?}");
            // It writes more, at this level, than a slow disk may take.
            let lost = line.ends_with(" log lines were lost: nobody was reading them");
            let ours = line.starts_with("20") || lost;
            assert!(ours, "not a line of ours: {line:?}");
        }
    }

    /// What `rcni-bgp status` says in the end of the last session has this, and nothing that a
    /// terminal would act on; in JSON too.
    pub fn status_says(&self, part: &str) {
        for form in [&[][..], &["-o", "json"]] {
            let output = self.daemon.status(form);
            let text = String::from_utf8(output.stdout).unwrap();
            // Long lines are wrapped.
            let words: Vec<&str> = text.split_whitespace().collect();
            let line = words.join(" ");
            assert!(line.contains(part), "{part} is not in {text}");
            let fine = |c: char| harmless(c) || c == '\n';
            assert!(text.chars().all(fine), "not escaped: {text:?}");
        }
    }

    /// Waits until the daemon has logged a line with all of these.
    pub fn logs(&self, parts: &[&str]) -> String {
        wait(&format!("the log says {parts:?}"), || {
            let log = self.daemon.log();
            let mut lines = log.lines();
            lines
                .find(|line| parts.iter().all(|part| line.contains(part)))
                .map(str::to_owned)
        })
    }

    /// Whether the kernel comes to have a route for P, or to have none.
    pub fn kernel(&self, there: bool) {
        wait(&format!("the kernel has P: {there}"), || {
            let has = |line: &String| line.starts_with(&format!("{P_TEXT} "));
            (self.here.own_routes().iter().any(has) == there).then_some(())
        });
    }

    /// The kernel comes to send packets for P to this router.
    pub fn via(&self, router: &str) {
        wait(&format!("the kernel has P via {router}"), || {
            let routes = self.here.own_routes();
            let starts = [P_TEXT, " "].concat();
            let route = routes.iter().find(|line| line.starts_with(&starts))?;
            route.split(' ').any(|word| word == router).then_some(())
        });
    }

    /// P is gone everywhere.
    pub fn gone(&self) {
        self.observer.loses(P_TEXT);
        self.kernel(false);
    }

    /// The observer comes to see P with exactly these attributes besides B's.
    pub fn used(&self, more: &[&str]) -> Route {
        let expected = self.told(&["0000fde9", "0000fde7"], more);
        let route = self.observer.sees(P_TEXT, |route| {
            route.value(2).is_some_and(|path| path.len() > 10)
        });
        assert_eq!(route.texts(), expected);
        self.kernel(true);
        route
    }
}

/// No control character, nothing that ends a line or turns its direction.
fn harmless(c: char) -> bool {
    let turns = matches!(
        c,
        '\u{61c}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    !c.is_control() && !turns
}

/// Commands for `ip`, one a line.
fn batch(namespace: &Namespace, commands: &str) {
    let mut child = namespace
        .command("ip")
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let lines: Vec<&str> = commands.lines().map(str::trim).collect();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(lines.join("\n").as_bytes()).unwrap();
    drop(stdin);
    assert!(child.wait().unwrap().success(), "ip: {commands}");
}

/// Connects to the daemon, from the first of these addresses to the second.
fn dial(namespace: &Namespace, ends: [&str; 2]) -> std::io::Result<TcpStream> {
    let [from, to] = ends.map(|end| end.parse::<IpAddr>().unwrap());
    namespace.run(move || async move {
        let to = SocketAddr::new(to, 179);
        let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))?;
        socket.bind(&SocketAddr::new(from, 0).into())?;
        socket.connect_timeout(&to.into(), Duration::from_secs(5))?;
        Ok(socket.into())
    })
}
