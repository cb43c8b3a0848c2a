//! The daemon (AS 65000, 10.99.0.1) in a namespace of its own, and its peers in another: a puppet
//! (AS 65001, 10.99.0.2) that says what a test tells it, and an observer (AS 65009, 10.99.0.3).

use std::io::Write;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::process::Stdio;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tempfile::TempDir;

use super::bytes::{
    KEEPALIVE, NEXT_HOP, NOTIFICATION, OPEN, ORIGIN, Open, UPDATE, keepalive, update,
};
use super::decode;
use super::observer::{Observer, Route};
use super::session::{Heard, Session, show};
use crate::common::{Daemon, Namespace, wait};

/// The prefix of the rows, as octets and as text.
pub const P: &str = "18 644001";
pub const P_TEXT: &str = "100.64.1.0/24";

/// What differs between labs.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The puppet's AS number.
    pub asn: u16,
    /// Further fields of the puppet's BGPPeer.
    pub peer: &'static str,
    /// The OPEN of the puppet's good sessions.
    pub open: Open,
    /// The AS_PATH that P is announced cleanly with.
    pub clean_path: &'static str,
    /// The puppet's address and the daemon's.
    pub ends: [&'static str; 2],
}

impl Setup {
    pub fn external() -> Self {
        Self {
            asn: 65001,
            peer: "",
            open: Open::rows(),
            clean_path: "400206 0201 0000fde9",
            ends: ["10.99.0.2", "10.99.0.1"],
        }
    }

    pub fn internal() -> Self {
        Self {
            asn: 65000,
            open: Open::new(65000),
            ..Self::external()
        }
    }

    /// The puppet has no 4-octet AS numbers.
    pub fn two_octets() -> Self {
        let families = super::bytes::parameter("01 04 00010001 01 04 00020001 02 00");
        Self {
            open: Open::rows().parameters(&families),
            clean_path: "400204 0201 fde9",
            ..Self::external()
        }
    }

    /// The puppet's session is one of IPv6.
    pub fn over_ipv6() -> Self {
        Self {
            ends: ["fd00:99::2", "fd00:99::1"],
            ..Self::external()
        }
    }

    /// The puppet has more capabilities.
    pub fn and(self, capabilities: &str) -> Self {
        let open = self.open.and(capabilities);
        Self { open, ..self }
    }

    fn config(&self) -> String {
        let Self {
            asn,
            peer,
            ends: [address, _],
            ..
        } = self;
        format!(
            "apiVersion: rcni.io/v1alpha1
kind: BGPConfiguration
metadata: {{name: default}}
spec: {{asNumber: 65000, routerID: 10.99.0.1}}
---
apiVersion: rcni.io/v1alpha1
kind: BGPPeer
metadata: {{name: puppet}}
spec: {{peerIP: '{address}', asNumber: {asn}, connectRetrySeconds: 1, filters: [all]{peer}}}
---
apiVersion: rcni.io/v1alpha1
kind: BGPPeer
metadata: {{name: observer}}
spec: {{peerIP: 10.99.0.3, asNumber: {}, passive: true, filters: [all]}}
---
apiVersion: rcni.io/v1alpha1
kind: BGPFilter
metadata: {{name: all}}
spec:
  importV4: [{{action: Accept}}]
  importV6: [{{action: Accept}}]
  exportV4: [{{action: Accept}}]
  exportV6: [{{action: Accept}}]
",
            Observer::ASN
        )
    }
}

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

    /// P from the puppet, seen by the observer.
    pub fn clean(&self, puppet: &Puppet) {
        puppet.send(&update("", &self.clean_attributes(), P));
        let expected = self.told(&["0000fde9"], &[]);
        self.observer
            .sees(P_TEXT, |route| route.texts() == expected);
    }

    /// A connection of the puppet's, nothing said yet.
    pub fn connect(&self) -> Puppet {
        let stream = dial(&self.there, self.setup.ends).unwrap();
        Puppet {
            session: Session::new(stream, false),
        }
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
        Puppet {
            session: Session::new(stream, false),
        }
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
            puppet.send(&update(
                "",
                &self.clean_attributes(),
                &format!("18 6441{number:02x}"),
            ));
            self.observer
                .sees(&format!("100.65.{number}.0/24"), |_| true);
        }
        puppet.session.assert_up("the puppet's session");
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
            assert!(line.starts_with("20"), "not a line of ours: {line:?}");
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

/// A peer that says what it is told.
pub struct Puppet {
    session: Session,
}

impl std::ops::Deref for Puppet {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}

impl Puppet {
    /// Makes a session of a connection.
    pub fn opens(&self, open: &Open) {
        self.send(&open.bytes());
        self.hears(OPEN);
        self.hears(KEEPALIVE);
        self.send(&keepalive());
    }

    /// Waits for a message of this type; its body.
    pub fn hears(&self, kind: u8) -> Vec<u8> {
        self.wait(&format!("a message of type {kind}"), |heard| {
            heard
                .iter()
                .find_map(|message| message.body(kind))
                .map(<[u8]>::to_vec)
        })
    }

    /// How many UPDATEs have come that announce IPv4 prefixes.
    pub fn announcements(&self) -> usize {
        announcements(&self.heard())
    }

    /// Waits for so many of them.
    pub fn is_told_routes(&self, count: usize) {
        self.wait(&format!("{count} announcements"), |heard| {
            (announcements(heard) >= count).then_some(())
        });
    }

    /// Waits until the connection is closed in order after this NOTIFICATION, `a/b=data`.
    pub fn is_told(&self, expected: &str) {
        let heard = self.until_end();
        let words: Vec<String> = heard
            .iter()
            .filter_map(|message| message.body(NOTIFICATION))
            .map(notification)
            .collect();
        let expected = expected.replace(' ', "");
        assert_eq!(words, [expected.as_str()], "{}", show(&heard));
        let [.., last, end] = &heard[..] else {
            panic!("{}", show(&heard));
        };
        assert!(last.body(NOTIFICATION).is_some(), "{}", show(&heard));
        assert_eq!(*end, Heard::Eof, "the last words may be lost");
    }

    /// Waits until the connection is closed without a word.
    pub fn is_left(&self) {
        let heard = self.until_end();
        let words = heard.iter().find_map(|message| message.body(NOTIFICATION));
        assert_eq!(words, None, "a NOTIFICATION was answered: {}", show(&heard));
        assert_eq!(heard.last(), Some(&Heard::Eof));
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

fn announcements(heard: &[Heard]) -> usize {
    let updates = heard.iter().filter_map(|message| message.body(UPDATE));
    updates
        .filter(|body| !decode::update(body).announced.is_empty())
        .count()
}

/// As the requirement writes it.
fn notification(body: &[u8]) -> String {
    let (code, subcode, data) = (body[0], body[1], super::bytes::text(&body[2..]));
    let equals = if data.is_empty() { "" } else { "=" };
    format!("{code}/{subcode}{equals}{data}")
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
