use super::*;
use rcni_config::Password;
use std::time::Duration;
use tokio::net::TcpStream;

use crate::transport::socket::Options;

fn wanted(addresses: &[&str], port: u16, peers: &[&str]) -> Wanted {
    let entry = |network: &&str| Entry {
        network: network.parse().unwrap(),
        options: Options::default(),
    };
    Wanted {
        addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
        port,
        keys: Vec::new(),
        entries: peers.iter().map(entry).collect(),
    }
}

/// A port that nobody has at this moment.
fn port() -> u16 {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    socket.local_addr().unwrap().port()
}

async fn is_let_in(address: &str, port: u16, events: &mut mpsc::Receiver<Event>) -> bool {
    let Ok(stream) = TcpStream::connect((address, port)).await else {
        return false;
    };
    let accepted = tokio::time::timeout(Duration::from_millis(300), events.recv()).await;
    let reset = stream
        .try_read(&mut [0; 1])
        .is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset);
    drop(stream);
    matches!(accepted, Ok(Some(Event::Accepted { .. }))) && !reset
}

#[tokio::test]
async fn sockets_come_and_go_and_who_may_connect_changes() {
    let (events, mut accepted) = mpsc::channel(16);
    let (one, other) = (port(), port());
    let all = ["127.0.0.1/32"];
    let mut listening = Listening::start(wanted(&["127.0.0.1"], one, &all), events).unwrap();
    assert!(is_let_in("127.0.0.1", one, &mut accepted).await);
    assert!(!is_let_in("127.0.0.7", one, &mut accepted).await);
    // One more address; then another port; then nobody may connect.
    let two = ["127.0.0.1", "127.0.0.7"];
    listening
        .change(wanted(&two, one, &["127.0.0.0/8"]))
        .await
        .unwrap();
    assert!(is_let_in("127.0.0.7", one, &mut accepted).await);
    assert!(is_let_in("127.0.0.1", one, &mut accepted).await);
    listening
        .change(wanted(&two, other, &["127.0.0.0/8"]))
        .await
        .unwrap();
    assert!(!is_let_in("127.0.0.1", one, &mut accepted).await);
    assert!(is_let_in("127.0.0.1", other, &mut accepted).await);
    listening.change(wanted(&two, other, &[])).await.unwrap();
    assert!(!is_let_in("127.0.0.1", other, &mut accepted).await);
    // From some addresses to all, and back.
    listening
        .change(wanted(&[], other, &["127.0.0.0/8"]))
        .await
        .unwrap();
    assert!(is_let_in("127.0.0.9", other, &mut accepted).await);
    listening
        .change(wanted(&["127.0.0.1"], other, &["127.0.0.0/8"]))
        .await
        .unwrap();
    assert!(!is_let_in("127.0.0.9", other, &mut accepted).await);
    assert!(is_let_in("127.0.0.1", other, &mut accepted).await);
}

#[tokio::test]
async fn what_cannot_be_had_leaves_everything_as_it_was() {
    let (events, mut accepted) = mpsc::channel(16);
    let one = port();
    let all = ["127.0.0.1/32"];
    let mut listening = Listening::start(wanted(&[], one, &all), events).unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken
        .local_addr()
        .map(|address| (taken, address.port()))
        .unwrap();
    let error = listening.change(wanted(&["127.0.0.1"], taken.1, &[])).await;
    let text = error.unwrap_err().to_string();
    assert!(text.contains("is taken by another program"), "{text}");
    assert!(is_let_in("127.0.0.1", one, &mut accepted).await);
}

/// The kernel's part: whoever signs otherwise gets no answer, which takes seconds to see; so only that
/// the sockets take keys and give them back.
#[tokio::test]
async fn keys_are_exchanged_on_a_socket_that_listens() {
    let (events, mut accepted) = mpsc::channel(16);
    let one = port();
    let all = ["127.0.0.0/8"];
    let with = |keys: &[(&str, &str)]| {
        let key = |(network, secret): &(&str, &str)| KeyFor {
            name: (*network).to_owned(),
            network: network.parse().unwrap(),
            security: Security::Md5(Password::new(secret).unwrap()),
        };
        Wanted {
            keys: keys.iter().map(key).collect(),
            ..wanted(&["127.0.0.1"], one, &all)
        }
    };
    let mut listening = Listening::start(with(&[]), events).unwrap();
    assert!(is_let_in("127.0.0.1", one, &mut accepted).await);
    let first = listening.listeners[0].socket.local_addr().unwrap();
    for keys in [
        &[("127.0.0.0/8", "one")][..],
        &[("127.0.0.0/8", "two"), ("127.0.0.1/32", "three")],
        &[("127.0.0.1/32", "three")],
    ] {
        listening.change(with(keys)).await.unwrap();
        let connected = TcpStream::connect(first);
        let unsigned = tokio::time::timeout(Duration::from_millis(200), connected).await;
        assert!(unsigned.is_err(), "{keys:?}: unsigned and let in");
    }
    listening.change(with(&[])).await.unwrap();
    assert!(is_let_in("127.0.0.1", one, &mut accepted).await);
}

/// The order in which keys come and go: nobody is let in without, whatever becomes of a network.
#[test]
fn a_key_goes_when_the_others_are_there() {
    let md5 = |network: &str, secret: &str| KeyFor {
        name: network.to_owned(),
        network: network.parse().unwrap(),
        security: Security::Md5(Password::new(secret).unwrap()),
    };
    let ao = |network: &str| KeyFor {
        security: Security::Ao(Vec::new()),
        ..md5(network, "x")
    };
    let address = Ipv4Addr::LOCALHOST.into();
    let words = |keys: &[&KeyFor]| keys.iter().map(|key| key.name.clone()).collect::<Vec<_>>();
    let plan = |before: &[KeyFor], after: &[KeyFor]| {
        let Rekeying {
            in_the_way,
            new,
            old,
        } = Rekeying::new(address, before, after);
        [words(&in_the_way), words(&new), words(&old)]
    };
    let (narrow, wide) = ("10.0.1.0/24", "10.0.0.0/16");
    let none: &[&str] = &[];
    // A range grows.
    assert_eq!(
        plan(&[md5(narrow, "a")], &[md5(wide, "a")]),
        [none, &[wide], &[narrow]]
    );
    // Another password: in one step. The same: nothing.
    assert_eq!(
        plan(&[md5(wide, "a")], &[md5(wide, "b")]),
        [none, &[wide], none]
    );
    assert_eq!(
        plan(&[md5(wide, "a")], &[md5(wide, "a")]),
        [none, none, none]
    );
    // Another kind; nothing any more; the other family is another socket's.
    assert_eq!(
        plan(&[md5(narrow, "a")], &[ao(narrow)]),
        [&[narrow][..], &[narrow], none]
    );
    assert_eq!(plan(&[md5(narrow, "a")], &[]), [none, none, &[narrow]]);
    assert_eq!(
        plan(&[md5("fd00::/64", "a")], &[md5("fd00::/48", "a")]),
        [none, none, none]
    );
}
