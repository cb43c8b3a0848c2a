//! Rows O: OPEN (RFC 4271 6.2, 5492, 6286, 6793, 7607, 9072).

use super::bytes::{Open, capabilities, hex, parameter};
use super::lab::Lab;
use super::setup::Setup;

/// The OPEN is refused with this NOTIFICATION; a good one is accepted at once.
pub fn refused(setup: Setup, open: &Open, expected: &str) {
    let lab = Lab::new(setup);
    let puppet = lab.connect();
    puppet.send(&open.bytes());
    puppet.is_told(expected);
    lab.comes_back();
}

/// The OPEN is accepted, and routes flow.
pub fn accepted(open: &Open) {
    let lab = Lab::new(Setup::external());
    let puppet = lab.open(open);
    lab.clean(&puppet);
    lab.kernel(true);
    lab.lives(&puppet);
}

/// The rows' OPEN with other parameters: their length, and they themselves.
pub fn with(parameters: &str) -> Open {
    Open::rows().parameters(parameters)
}

#[test]
fn o01_version_3() {
    for version in [3, 5] {
        let open = Open {
            version,
            ..Open::rows()
        };
        refused(Setup::external(), &open, "2/1=0004");
    }
}

#[test]
fn o02_wrong_as() {
    refused(Setup::external(), &Open::new(65099), "2/2");
}

#[test]
fn o03_hold_time_1_or_2() {
    for hold in [1, 2] {
        let open = Open {
            hold,
            ..Open::rows()
        };
        refused(Setup::external(), &open, "2/6");
    }
}

#[test]
fn o03_hold_time_0_is_legal() {
    accepted(&Open {
        hold: 0,
        ..Open::rows()
    });
}

#[test]
fn o04_id_zero() {
    let open = Open {
        id: [0; 4],
        ..Open::rows()
    };
    refused(Setup::external(), &open, "2/3");
}

#[test]
fn o05_own_id_on_an_internal_session() {
    let open = Open {
        id: [10, 99, 0, 1],
        ..Open::new(65000)
    };
    refused(Setup::internal(), &open, "2/3");
}

/// RFC 6286 2.1: unique only within an AS.
#[test]
fn o05_own_id_from_another_as_is_fine() {
    accepted(&Open {
        id: [10, 99, 0, 1],
        ..Open::rows()
    });
}

#[test]
fn o06_unknown_parameter() {
    refused(Setup::external(), &with("03 63 01 00"), "2/4");
}

#[test]
fn o07_parameters_beyond_the_message() {
    let good = parameter(&capabilities(65001));
    let (_, parameters) = good.split_at(2);
    refused(Setup::external(), &with(&format!("28{parameters}")), "2/0");
    refused(Setup::external(), &with("28"), "2/0");
}

#[test]
fn o08_capability_beyond_its_parameter() {
    refused(Setup::external(), &with("08 02 06 41 c8 0000fde9"), "2/0");
}

#[test]
fn o09_four_octet_as_0() {
    refused(
        Setup::external(),
        &with(&parameter("01 04 00010001 41 04 00000000")),
        "2/2",
    );
    // Said twice, it is not the other number that counts (RFC 7607 2).
    let twice = "01 04 00010001 41 04 0000fde9 41 04 00000000";
    refused(Setup::external(), &with(&parameter(twice)), "2/2");
}

#[test]
fn o10_my_as_0() {
    let open = Open {
        asn: 0,
        ..Open::rows()
    };
    refused(Setup::external(), &open, "2/2");
}

#[test]
fn o11_unknown_capability() {
    accepted(&Open::rows().and("c8 05 68656c6c6f"));
}

#[test]
fn o12_extended_parameters() {
    let list = capabilities(65001);
    let length = hex(&list).len();
    let form = |first: &str| format!("{first} ff {:04x} 02 {length:04x} {list}", length + 3);
    accepted(&with(&form("ff")));
    // RFC 9072 2: ignored on receipt, but for 0.
    accepted(&with(&form("01")));
}

#[test]
fn o13_extended_parameters_cut_off() {
    for end in ["ff ff", "ff ff 00", "ff ff 0018", "ff ff 0004 02 0016 01"] {
        refused(Setup::external(), &with(end), "2/0");
    }
}

#[test]
fn o14_parameter_of_one_octet() {
    refused(Setup::external(), &with("01 02"), "2/0");
}

#[test]
fn o15_software_version_with_inner_length_0() {
    accepted(&Open::rows().and("4b 01 00"));
}

#[test]
fn o16_fqdn_with_inner_length_200() {
    accepted(&Open::rows().and("49 04 c8 616263"));
}
