use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;
use std::time::Duration;

use proptest::prelude::*;
use tempfile::TempDir;

use super::range::{RangeSet, RawRange, resolve};
use super::*;
use crate::naming::Attachment;

const WAIT: Duration = Duration::from_secs(20);

fn subnet(text: &str) -> RawRange {
    RawRange {
        subnet: Some(text.to_owned()),
        ..RawRange::default()
    }
}

fn sets(texts: &[&str]) -> Vec<RangeSet> {
    let raw: Vec<Vec<RawRange>> = texts.iter().map(|text| vec![subnet(text)]).collect();
    resolve(&raw).expect("valid ranges")
}

fn pod(id: &str) -> Attachment {
    Attachment::new(id, "eth0").expect("valid")
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

struct Pool {
    folder: TempDir,
    store: Store,
    sets: Vec<RangeSet>,
}

impl Pool {
    fn new(texts: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("folder");
        Self {
            store: Store::new(folder.path(), "net"),
            folder,
            sets: sets(texts),
        }
    }

    fn add(&self, id: &str) -> Result<Vec<IpAddr>, IpamError> {
        self.store
            .lock(WAIT)?
            .allocate(&pod(id), id, &self.sets, &[])
    }

    fn del(&self, id: &str) -> Vec<IpAddr> {
        let locked = self.store.lock(WAIT).expect("lock");
        locked.release(&pod(id)).expect("released")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join("net").join(name)
    }
}

#[test]
fn network_gateway_and_broadcast_are_kept_back() {
    let set = &sets(&["10.0.0.0/29"])[0];
    let all: Vec<IpAddr> = set.candidates(None).collect();
    let expected = ["10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6"];
    assert_eq!(all, expected.map(ip));
    let after: Vec<IpAddr> = set.candidates(Some(ip("10.0.0.5"))).collect();
    let expected = ["10.0.0.6", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5"];
    assert_eq!(after, expected.map(ip));
    let outside: Vec<IpAddr> = set.candidates(Some(ip("10.9.9.9"))).collect();
    assert_eq!(outside, all, "the range was moved since");
}

#[test]
fn ranges_are_read_as_host_local_reads_them() {
    let raw = RawRange {
        range_start: Some("10.0.0.10".into()),
        range_end: Some("10.0.0.12".into()),
        gateway: Some("10.0.0.11".into()),
        ..subnet("10.0.0.0/24")
    };
    let set = &resolve(&[vec![raw, subnet("10.0.1.0/30")]]).expect("valid")[0];
    let all: Vec<IpAddr> = set.candidates(Some(ip("10.0.0.12"))).collect();
    assert_eq!(all, ["10.0.1.2", "10.0.0.10", "10.0.0.12"].map(ip));
    // IPv6 has no broadcast address, and a /64 is not counted through.
    let six = &sets(&["fd00::/64"])[0];
    assert_eq!(six.candidates(None).next(), Some(ip("fd00::2")));
    assert!(six.offers(ip("fd00::ffff:ffff:ffff:ffff")));
}

#[test]
fn bad_ranges_are_refused() {
    let with = |start: &str, end: &str| RawRange {
        range_start: Some(start.into()),
        range_end: Some(end.into()),
        ..subnet("10.0.0.0/24")
    };
    let bad = [
        vec![],
        vec![vec![]],
        vec![vec![RawRange::default()]],
        vec![vec![subnet("10.0.0.5/24")]],
        vec![vec![subnet("10.0.0.0/31")]],
        vec![vec![subnet("10.0.0.0/32")]],
        vec![vec![subnet("fd00::/127")]],
        vec![vec![subnet("fe80::/64")]],
        vec![vec![subnet("ff05::/64")]],
        vec![vec![subnet("::/64")]],
        vec![vec![subnet("::/0")]],
        vec![vec![subnet("::ffff:10.0.0.0/120")]],
        vec![vec![subnet("0.0.0.0/0")]],
        vec![vec![subnet("128.0.0.0/1")]],
        vec![vec![with("10.0.1.1", "10.0.0.9")]],
        vec![vec![with("10.0.0.9", "10.0.0.3")]],
        vec![vec![with("x", "10.0.0.3")]],
        vec![vec![subnet("10.0.0.0/24"), subnet("fd00::/64")]],
        vec![vec![subnet("10.0.0.0/24")], vec![subnet("10.0.0.128/25")]],
    ];
    for ranges in bad {
        assert!(resolve(&ranges).is_err(), "{ranges:?}");
    }
}

/// Each of them from its first to its last subnet, and not what lies beside it.
#[test]
fn ipv4_ranges_that_no_pod_can_have_are_refused_with_the_reason() {
    for (first, last, reason) in [
        ("0.0.0.0/24", "0.255.255.0/24", "this network"),
        ("127.0.0.0/8", "127.255.255.0/24", "loopback"),
        ("169.254.0.0/16", "169.254.255.0/24", "link-local"),
        ("224.0.0.0/4", "239.255.255.0/24", "multicast"),
        ("240.0.0.0/4", "255.255.255.0/24", "reserved"),
    ] {
        for text in [first, last] {
            let error = resolve(&[vec![subnet(text)]]).expect_err(text).to_string();
            assert!(error.contains(reason), "{error}");
            assert!(error.contains("use one inside of 10.0.0.0/8"), "{error}");
        }
    }
    for beside in [
        "1.0.0.0/24",
        "126.255.255.0/24",
        "128.0.0.0/24",
        "169.253.0.0/16",
        "169.255.0.0/16",
        "223.255.255.0/24",
        "100.64.0.0/10",
        "10.0.0.0/8",
    ] {
        assert!(resolve(&[vec![subnet(beside)]]).is_ok(), "{beside}");
    }
}

#[test]
fn a_gateway_of_the_other_family_is_refused() {
    let with = |gateway: &str, text: &str| RawRange {
        gateway: Some(gateway.into()),
        ..subnet(text)
    };
    for (gateway, text) in [("fd00::1", "10.0.0.0/24"), ("10.0.0.1", "fd00::/64")] {
        let error = resolve(&[vec![with(gateway, text)]]).expect_err("another family");
        assert!(error.to_string().contains("leave gateway out"), "{error}");
    }
    assert!(resolve(&[vec![with("10.9.9.9", "10.0.0.0/24")]]).is_ok());
}

#[test]
fn addresses_rest_before_they_are_given_again() {
    let pool = Pool::new(&["10.0.0.0/29"]);
    let first = pool.add("a").expect("given");
    assert_eq!(first, [ip("10.0.0.2")]);
    assert_eq!(pool.del("a"), first);
    let next: Vec<IpAddr> = (0..5)
        .flat_map(|at| pool.add(&format!("b{at}")).expect("given"))
        .collect();
    let expected = ["10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6", "10.0.0.2"];
    assert_eq!(next, expected.map(ip));
    let full = pool.add("late").expect_err("exhausted");
    assert!(matches!(full, IpamError::Exhausted { .. }), "{full}");
    assert_eq!(
        pool.store.records().expect("records").len(),
        5,
        "nothing of the refused one"
    );
    pool.del("b0");
    assert_eq!(pool.add("late").expect("room again"), [ip("10.0.0.3")]);
}

#[test]
fn one_address_of_each_set_or_none() {
    let pool = Pool::new(&["10.0.0.0/29", "10.0.1.0/30"]);
    let given = pool.add("a").expect("given");
    assert_eq!(given, ["10.0.0.2", "10.0.1.2"].map(ip));
    pool.add("b").expect_err("the second set is exhausted");
    assert_eq!(pool.store.reservations().expect("list").len(), 2);
    assert_eq!(pool.del("a"), given);
    assert_eq!(pool.del("a"), [] as [IpAddr; 0], "again does no harm");
}

#[test]
fn a_second_add_is_refused_and_changes_nothing() {
    let pool = Pool::new(&["10.0.0.0/29"]);
    pool.add("a").expect("given");
    let again = pool.add("a").expect_err("already there");
    assert!(
        matches!(again, IpamError::AlreadyAttached { .. }),
        "{again}"
    );
    assert_eq!(pool.store.reservations().expect("list").len(), 1);
    let other = Attachment::new("a", "net1").expect("valid");
    let locked = pool.store.lock(WAIT).expect("lock");
    locked
        .allocate(&other, "", &pool.sets, &[])
        .expect("another interface");
}

#[test]
fn only_ones_own_is_freed() {
    let pool = Pool::new(&["10.0.0.0/29"]);
    let address = pool.add("a").expect("given")[0];
    // Somebody freed it behind our back, and it was given to another.
    fs::write(pool.file(&address.to_string()), "b\r\neth0").expect("write");
    assert_eq!(pool.del("a"), [] as [IpAddr; 0]);
    assert!(pool.file(&address.to_string()).exists());
    // A common prefix is not the same id.
    fs::write(pool.file("10.0.0.5"), "abc\r\neth0").expect("write");
    assert_eq!(pool.del("ab"), [] as [IpAddr; 0]);
    assert_eq!(pool.store.reservations().expect("list").len(), 2);
}

#[test]
fn host_locals_reservations_are_found_without_a_record() {
    let pool = Pool::new(&["10.0.0.0/29"]);
    drop(pool.store.lock(WAIT).expect("folders"));
    fs::write(pool.file("10.0.0.4"), "bridged\r\neth0").expect("write");
    fs::write(pool.file("10.0.0.5"), "bridged\r\nnet1").expect("write");
    fs::write(pool.file("10.0.0.6"), "ancient").expect("write");
    fs::write(pool.file("last_reserved_ip.0"), "10.0.0.6").expect("write");
    assert_eq!(pool.add("a").expect("given"), [ip("10.0.0.2")]);
    assert_eq!(pool.del("bridged"), [ip("10.0.0.4")]);
    assert_eq!(pool.del("ancient"), [ip("10.0.0.6")]);
    assert_eq!(pool.store.reservations().expect("list").len(), 2);
}

#[test]
fn every_torn_state_is_cleaned_by_del_and_does_not_stop_add() {
    let record = |pool: &Pool| pool.store.record_folder().join(pod("a").host_interface());
    type Tear = fn(&Pool, PathBuf);
    let cases: [(&str, Tear); 6] = [
        ("a record and no reservation", |pool, _| {
            fs::remove_file(pool.file("10.0.0.2")).expect("remove");
        }),
        ("an empty reservation", |pool, _| {
            fs::write(pool.file("10.0.0.2"), "").expect("truncate");
        }),
        ("an empty record", |_, record| {
            fs::write(record, "").expect("truncate");
        }),
        ("half a record", |_, record| {
            fs::write(record, "{\"version\":1,").expect("cut");
        }),
        ("no record", |_, record| {
            fs::remove_file(record).expect("remove");
        }),
        ("an empty last address", |pool, _| {
            fs::write(pool.file("last_reserved_ip.0"), "").expect("truncate");
        }),
    ];
    for (name, tear) in cases {
        let pool = Pool::new(&["10.0.0.0/29"]);
        pool.add("a").expect("given");
        tear(&pool, record(&pool));
        pool.add("b")
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        pool.del("a");
        assert!(!record(&pool).exists(), "{name}");
        let left = pool.store.reservations().expect("list");
        assert_eq!(left.len(), 1, "{name}: {left:?}");
        assert_eq!(left[0].owner, "b\r\neth0", "{name}");
    }
}

#[test]
fn a_killed_add_can_be_repeated_if_it_reserved_nothing() {
    let pool = Pool::new(&["10.0.0.0/29"]);
    pool.add("a").expect("given");
    fs::remove_file(pool.file("10.0.0.2")).expect("as if killed before");
    assert_eq!(pool.add("a").expect("given"), [ip("10.0.0.3")]);
}

#[test]
fn a_stuck_lock_holder_is_waited_for_with_a_bound() {
    let pool = Pool::new(&["10.0.0.0/29"]);
    let _held = pool.store.lock(WAIT).expect("lock");
    let other = pool.store.lock(Duration::from_millis(30));
    assert!(matches!(other, Err(IpamError::Busy { .. })));
}

#[test]
fn requested_addresses_are_given_or_refused() {
    let pool = Pool::new(&["10.0.0.0/29"]);
    let ask = |id: &str, address: &str| {
        let locked = pool.store.lock(WAIT).expect("lock");
        locked.allocate(&pod(id), "", &pool.sets, &[ip(address)])
    };
    assert_eq!(ask("a", "10.0.0.6").expect("free"), [ip("10.0.0.6")]);
    assert!(matches!(ask("b", "10.0.0.6"), Err(IpamError::Taken(_))));
    for outside in ["10.0.0.0", "10.0.0.1", "10.0.0.7", "10.0.1.2", "fd00::2"] {
        assert!(
            matches!(ask("b", outside), Err(IpamError::OutsideRanges(_))),
            "{outside}"
        );
    }
    assert_eq!(pool.store.reservations().expect("list").len(), 1);
}

#[test]
fn every_requested_address_is_given_or_none() {
    let pool = Pool::new(&["10.0.0.0/28", "10.0.1.0/28"]);
    let ask = |addresses: &[&str]| {
        let wanted: Vec<IpAddr> = addresses.iter().map(|address| ip(address)).collect();
        let locked = pool.store.lock(WAIT).expect("lock");
        locked.allocate(&pod("a"), "", &pool.sets, &wanted)
    };
    for surplus in [
        &["10.0.0.5", "10.0.0.6"][..],
        &["10.0.1.7", "10.0.0.5", "10.0.0.6"],
    ] {
        let refused = ask(surplus).expect_err("two of one set");
        assert!(matches!(refused, IpamError::Surplus(address) if address == ip("10.0.0.6")));
        assert_eq!(crate::error::CniError::from(refused).code, 7);
        assert_eq!(pool.store.reservations().expect("read").len(), 0);
        assert!(pool.store.record(&pod("a")).expect("read").is_none());
    }
    let given = ask(&["10.0.1.7", "10.0.0.5", "10.0.0.5"]).expect("one of each, one named twice");
    assert_eq!(given, [ip("10.0.0.5"), ip("10.0.1.7")]);
}

/// What Debian's host-local 1.1.1 does with the same configuration, seen there.
#[test]
fn ipv6_as_host_local_does_it() {
    let all = |raw: RawRange| -> Vec<IpAddr> {
        let sets = resolve(&[vec![raw]]).expect("valid");
        sets[0].candidates(None).take(4).collect()
    };
    // The subnet's own address (the routers' anycast, RFC 4291 §2.6.1) is left out, and the one
    // behind it is the gateway's; there is no broadcast address.
    assert_eq!(all(subnet("fd00::/126")), ["fd00::2", "fd00::3"].map(ip));
    let start = |text: &str| RawRange {
        range_start: Some(text.into()),
        ..subnet("fd00::/64")
    };
    // Unless it is named as the first.
    let named = ["fd00::", "fd00::2", "fd00::3", "fd00::4"];
    assert_eq!(all(start("fd00::")), named.map(ip));
    let end = RawRange {
        range_end: Some("fd00::2".into()),
        ..subnet("fd00::/64")
    };
    assert_eq!(all(end), [ip("fd00::2")]);
    let gateway = RawRange {
        gateway: Some("fe80::1".into()),
        ..subnet("fd00::/64")
    };
    assert_eq!(all(gateway)[0], ip("fd00::1"), "a gateway elsewhere");
    assert_eq!(all(subnet("fd00::/8"))[0], ip("fd00::2"));
    assert_eq!(all(subnet("64:ff9b::/96"))[0], ip("64:ff9b::2"));
    let last = "fdff:ffff:ffff:ffff:ffff:ffff:ffff:fffe";
    let around: Vec<IpAddr> = sets(&["fd00::/8"])[0]
        .candidates(Some(ip(last)))
        .take(2)
        .collect();
    assert_eq!(around[0], ip("fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"));
    assert_eq!(around[1], ip("fd00::2"), "round to the beginning");
}

#[test]
fn an_address_of_each_family_and_its_files() {
    let pool = Pool::new(&["10.0.0.0/29", "fd00:0:0:1::/64"]);
    let given = pool.add("a").expect("given");
    assert_eq!(given, ["10.0.0.2", "fd00:0:0:1::2"].map(ip));
    // host-local's own names and contents.
    for (name, content) in [
        ("10.0.0.2", "a\r\neth0"),
        ("fd00:0:0:1::2", "a\r\neth0"),
        ("last_reserved_ip.0", "10.0.0.2"),
        ("last_reserved_ip.1", "fd00:0:0:1::2"),
    ] {
        let found = fs::read_to_string(pool.file(name));
        assert_eq!(found.expect("a file"), content, "{name}");
    }
    assert_eq!(pool.del("a"), given);
    let next = pool.add("b").expect("given");
    assert_eq!(next, ["10.0.0.3", "fd00:0:0:1::3"].map(ip));
    // Without a record, as host-local leaves them.
    fs::remove_dir_all(pool.store.record_folder()).expect("remove");
    assert_eq!(pool.del("b").len(), 2);
    assert_eq!(pool.store.reservations().expect("list"), []);
}

#[test]
fn a_family_that_fails_takes_the_other_back() {
    let pool = Pool::new(&["10.0.0.0/29", "fd00::/126"]);
    pool.add("a").expect("given");
    pool.add("b").expect("given");
    let full = pool.add("c").expect_err("no IPv6 address is left");
    assert!(full.to_string().contains("fd00::/126"), "{full}");
    assert_eq!(pool.store.reservations().expect("list").len(), 4);
    assert_eq!(pool.store.records().expect("list").len(), 2);
    assert_eq!(pool.del("a"), ["10.0.0.2", "fd00::2"].map(ip));
    let again = pool.add("c").expect("room again");
    assert_eq!(again, ["10.0.0.4", "fd00::2"].map(ip));
    // The IPv4 address is written already when the IPv6 one cannot be.
    pool.del("a");
    pool.del("c");
    fs::remove_file(pool.file("last_reserved_ip.1")).expect("remove");
    fs::create_dir(pool.file("last_reserved_ip.1")).expect("in the way");
    pool.add("d").expect_err("a folder in the way");
    let left = pool.store.reservations().expect("list");
    assert_eq!(left.len(), 2, "b's: {left:?}");
    assert_eq!(pool.store.records().expect("list").len(), 1);
}

#[test]
fn threads_do_not_get_the_same_address() {
    let pool = Pool::new(&["10.0.0.0/24"]);
    let given: Vec<IpAddr> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..40)
            .map(|at| {
                let pool = &pool;
                scope.spawn(move || pool.add(&format!("p{at}")).expect("given")[0])
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("thread"))
            .collect()
    });
    assert_eq!(given.iter().collect::<BTreeSet<_>>().len(), 40);
}

#[test]
fn an_unwritable_folder_is_named() {
    let folder = tempfile::tempdir().expect("folder");
    fs::write(
        folder.path().join("net"),
        "a file where the folder should be",
    )
    .expect("write");
    let store = Store::new(folder.path(), "net");
    let error = store.lock(WAIT).expect_err("no folder");
    assert!(error.to_string().contains("net"), "{error}");
}

proptest! {
    #[test]
    fn candidates_are_each_once_and_all_offered(
        length in 24_u8..31, after in 0_u8..=255, start in 2_u8..100,
    ) {
        let start = format!("10.0.0.{start}");
        let raw = RawRange { range_start: Some(start), ..subnet(&format!("10.0.0.0/{length}")) };
        if let Ok(sets) = resolve(&[vec![raw, subnet("10.0.1.0/28")]]) {
            let all: BTreeSet<IpAddr> = sets[0].candidates(None).collect();
            let around: Vec<IpAddr> =
                sets[0].candidates(Some(ip(&format!("10.0.0.{after}")))).collect();
            prop_assert_eq!(around.len(), all.len());
            prop_assert_eq!(&around.iter().copied().collect::<BTreeSet<_>>(), &all);
            prop_assert!(all.iter().all(|address| sets[0].offers(*address)));
        }
    }
}
