//! OPENs that the table of rows lacks.

use super::bytes::{OPEN, Open, capabilities, hex, message, parameter, plus, update};
use super::lab::{Lab, P};
use super::open::{accepted, refused, with};
use super::setup::Setup;

#[test]
fn capabilities_twice() {
    accepted(&Open::rows().and(&capabilities(65001)));
}

#[test]
fn a_parameter_for_each_capability() {
    accepted(&with(
        "1c 02 06 01 04 00010001 02 06 01 04 00020001 02 02 02 00 02 06 41 04 0000fde9",
    ));
}

#[test]
fn a_parameter_without_a_capability() {
    let list = capabilities(65001);
    let length = hex(&list).len();
    let all = format!("{:02x} 02 00 02 {length:02x} {list} 02 00", length + 6);
    accepted(&with(&all));
}

/// RFC 5492 3 and RFC 4760 8: nothing but IPv4 unicast, and 2-octet AS numbers.
#[test]
fn no_parameters() {
    let setup = Setup::two_octets();
    let open = setup.open.clone().parameters("00");
    let lab = Lab::new(setup);
    let puppet = lab.open(&open);
    lab.clean(&puppet);
    lab.lives(&puppet);
}

/// 255 octets of parameters, and no type 255 at their beginning: not RFC 9072.
#[test]
fn parameters_of_255_octets_in_the_classic_form() {
    let list = capabilities(65001);
    let rest = 253 - hex(&list).len() - 2;
    let open = Open::rows().and(&format!("c8 {rest:02x} {}", "5a".repeat(rest)));
    assert!(open.parameters.starts_with("ff 02 fd"));
    accepted(&open);
}

#[test]
fn octets_after_the_parameters() {
    let open = with(&(parameter(&capabilities(65001)) + "00"));
    refused(Setup::external(), &open, "2/0");
}

/// Values that their RFCs do not allow: not usable, and no reason to refuse the session.
#[test]
fn capabilities_of_wrong_lengths() {
    let odd = "40 03 007800 01 03 000100 02 01 00 06 01 00 45 03 000101 46 02 0000 09 00 ";
    accepted(&Open::rows().and(odd));
}

/// But for the AS number, which would have to be guessed.
#[test]
fn four_octet_as_of_2_octets() {
    let open = with(&parameter("01 04 00010001 41 02 fde9"));
    refused(Setup::external(), &open, "2/0");
}

#[test]
fn no_family_in_common() {
    let open = with(&parameter("01 04 00190046 41 04 0000fde9"));
    let ours = "2/7=0104000100010104 00020001";
    refused(Setup::external(), &open, ours);
}

/// RFC 6793 4.1: the number is in the capability.
#[test]
fn as_trans_for_a_number_that_would_fit() {
    accepted(&Open {
        asn: 23456,
        ..Open::rows()
    });
}

#[test]
fn wrong_as_in_the_capability_alone() {
    let open = with(&parameter("01 04 00010001 41 04 0000fe4b"));
    refused(Setup::external(), &open, "2/2");
}

/// Several mistakes: the version is judged first, whatever follows it.
#[test]
fn another_version_with_another_layout() {
    let lab = Lab::new(Setup::external());
    let puppet = lab.connect();
    puppet.send(&message(OPEN, &hex("02 ff ffffffffffffffff ff")));
    puppet.is_told("2/1=0004");
    lab.comes_back();
}

#[test]
fn as_trans_without_the_number() {
    let open = Open {
        asn: 23456,
        ..with(&parameter("01 04 00010001 01 04 00020001"))
    };
    refused(Setup::external(), &open, "2/2");
}

/// It would be an internal session.
#[test]
fn our_own_as() {
    refused(Setup::external(), &Open::new(65000), "2/2");
}

/// RFC 9234 4.2, as their customer.
fn customer() -> Setup {
    Setup::external().with(", role: customer")
}

/// Routes flow; what a provider sends is marked as being for customers only (RFC 9234 5).
fn provides(lab: &Lab) {
    let puppet = lab.established();
    puppet.send(&update("", &plus(""), P));
    lab.used(&["c02304 0000fde9"]);
    lab.lives(&puppet);
}

#[test]
fn roles_that_fit() {
    for capability in ["09 01 00", "09 01 00 09 01 00", ""] {
        provides(&Lab::new(customer().and(capability)));
    }
    // Where we have none the peer's is of no interest.
    accepted(&Open::rows().and("09 01 03"));
}

#[test]
fn roles_that_do_not_fit() {
    // Another customer, one that does not know what it is, and a number without a name.
    for capability in ["09 01 03", "09 01 00 09 01 03", "09 01 09"] {
        let lab = Lab::new(customer());
        let puppet = lab.connect();
        puppet.send(&Open::rows().and(capability).bytes());
        puppet.is_told("2/11");
        provides(&lab);
    }
}

#[test]
fn no_role_where_roles_are_strict() {
    let setup = Setup::external().with(", role: customer, roleStrict: true");
    let lab = Lab::new(setup.and("09 01 00"));
    let puppet = lab.connect();
    puppet.send(&Open::rows().bytes());
    puppet.is_told("2/11");
    provides(&lab);
}
