//! UPDATEs that mean something by what was negotiated: roles (RFC 9234), path identifiers
//! (RFC 7911).

use super::bytes::{plus, update};
use super::expect::{ends, passes};
use super::lab::{Lab, P, P_TEXT};
use super::setup::Setup;

/// RFC 9234 5: what a customer got from its provider or peer is not for us.
#[test]
fn only_to_customer_from_a_customer() {
    let setup = Setup::external().with(", role: provider").and("09 01 03");
    let (lab, puppet) = Lab::with_route(setup);
    puppet.send(&update("", &plus("c02304 0000fde9"), P));
    lab.gone();
    lab.lives(&puppet);
    lab.clean(&puppet);
}

#[test]
fn only_to_customer_where_there_are_no_roles() {
    let attributes = plus("c02304 0000fde9");
    passes(Setup::external(), &attributes, &["c02304 0000fde9"]);
}

/// Path identifiers of both families may come (RFC 7911); those of P are 1 and 2.
fn with_paths() -> Setup {
    let setup = Setup::external().with(", addPath: {receive: true}");
    Setup {
        path_id: "00000001",
        ..setup.and("45 08 00010102 00020102")
    }
}

#[test]
fn path_identifiers() {
    let (lab, puppet) = Lab::with_route(with_paths());
    let second = format!("00000002 {P}");
    puppet.send(&update("", &plus(""), &second));
    lab.lives(&puppet);
    assert_eq!(lab.observer.history(P_TEXT).len(), 1, "the path is longer");
    puppet.send(&update(&format!("00000001 {P}"), "", ""));
    lab.used(&[]);
    puppet.send(&update(&second, "", ""));
    lab.gone();
    lab.lives(&puppet);
}

#[test]
fn path_identifier_of_3_octets() {
    ends(with_paths(), &update("", &plus(""), "000000"), "3/10");
}

#[test]
fn path_identifier_without_a_prefix() {
    ends(with_paths(), &update("00000001", "", ""), "3/10");
}

/// A prefix is taken for the identifier that was agreed upon.
#[test]
fn path_identifier_forgotten() {
    ends(with_paths(), &update("", &plus(""), "18 644002"), "3/10");
}
