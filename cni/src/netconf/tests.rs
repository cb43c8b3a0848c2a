use proptest::prelude::*;
use serde_json::json;

use super::wanted::parse_mac;
use super::*;

fn conf() -> Value {
    json!({
        "cniVersion": "1.0.0", "name": "rcni", "type": "rcni",
        "ipam": {"type": "rcni", "ranges": [[{"subnet": "10.244.1.0/24"}]]},
    })
}

fn with(key: &str, value: Value) -> Value {
    let mut conf = conf();
    conf[key] = value;
    conf
}

fn code_of(conf: &Value) -> u32 {
    let parsed = parse(conf.to_string().as_bytes());
    let pool = parsed.and_then(|parsed| match parsed.ipam {
        Ipam::Own(own) => own.pool().map(drop),
        _ => Ok(()),
    });
    pool.map_or_else(|error| error.code, |()| 0)
}

#[test]
fn all_versions_are_accepted_and_no_other() {
    for version in ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"] {
        assert_eq!(code_of(&with("cniVersion", json!(version))), 0, "{version}");
    }
    for version in ["0.1.0", "0.2.0", "1.2.0", "2.0.0", "", "x", "v1.0.0"] {
        assert_eq!(code_of(&with("cniVersion", json!(version))), 1, "{version}");
    }
    let mut without = conf();
    without
        .as_object_mut()
        .expect("object")
        .remove("cniVersion");
    let error = parse(without.to_string().as_bytes()).expect_err("missing");
    assert_eq!(error.code, 1);
    assert!(error.details.contains("0.3.1"), "{error}");
}

#[test]
fn whatever_runtimes_pass_through_is_accepted() {
    let mut conf = conf();
    for (key, value) in [
        ("unknown", json!({"deep": [1, 2, {"x": null}]})),
        (
            "args",
            json!({"cni": {"labels": [{"key": "a", "value": "b"}]}}),
        ),
        (
            "runtimeConfig",
            json!({"portMappings": [], "aliases": {"net": ["a"]}}),
        ),
        ("capabilities", json!({"ips": true})),
        ("cni.dev/valid-attachments", json!([])),
        ("disableCheck", json!(true)),
        ("disableGC", json!("true")),
        ("loadOnlyInlinedPlugins", json!(true)),
        ("cniVersions", json!(["1.0.0", "9.9.9"])),
        ("ipMasq", json!(true)),
        ("prevResult", json!(null)),
    ] {
        conf[key] = value;
    }
    assert_eq!(code_of(&conf), 0);
}

#[test]
fn wrong_content_is_refused() {
    for (key, value) in [
        ("name", json!(null)),
        ("name", json!("")),
        ("name", json!("../etc")),
        ("name", json!("-x")),
        ("name", json!(7)),
        ("type", json!(null)),
        ("type", json!("../rcni")),
        ("cniVersion", json!(1.0)),
        ("mtu", json!("1500")),
        ("mtu", json!(-1)),
        ("mtu", json!(67)),
        ("mtu", json!(65_536)),
        ("plugins", json!([])),
        ("ipam", json!("rcni")),
        ("ipam", json!({})),
        ("ipam", json!({"type": 7})),
        ("ipam", json!({"type": ".."})),
        ("ipam", json!({"type": "../../bin/sh"})),
        ("ipam", json!({"type": "rcni"})),
        ("ipam", json!({"type": "rcni", "ranges": []})),
        ("ipam", json!({"type": "rcni", "ranges": [[]]})),
        (
            "ipam",
            json!({"type": "rcni", "ranges": [[{"subnet": "10.0.0.1/24"}]]}),
        ),
        (
            "ipam",
            json!({"type": "rcni", "ranges": [{"subnet": "10.0.0.0/24"}]}),
        ),
        (
            "ipam",
            json!({"type": "rcni", "subnet": "10.0.0.0/24", "dataDir": "relative"}),
        ),
        (
            "ipam",
            json!({"type": "rcni", "subnet": "10.0.0.0/24", "routes": [{"dst": "x"}]}),
        ),
        (
            "ipam",
            json!({"type": "rcni", "subnet": "10.0.0.0/24", "routes": [{"dst": "::/0"}]}),
        ),
        (
            "ipam",
            json!({"type": "rcni", "ranges": [[{"subnet": "fd00::/64"}, {"subnet": "10.0.0.0/24"}]]}),
        ),
        (
            "ipam",
            json!({"type": "rcni", "ranges": [[{"subnet": "fe80::/64"}]]}),
        ),
        (
            "ipam",
            json!({"type": "rcni", "ranges": [[{"subnet": "169.254.0.0/16"}]]}),
        ),
        (
            "ipam",
            json!({"type": "rcni", "subnet": "10.0.0.0/24", "gateway": "fd00::1"}),
        ),
    ] {
        assert_eq!(code_of(&with(key, value.clone())), 7, "{key}: {value}");
    }
}

#[test]
fn what_is_not_offered_yet_is_named() {
    let six = json!({"type": "rcni", "ranges": [[{"subnet": "fd00::/64"}]],
        "routes": [{"dst": "::/0", "gw": "fd00::1"}]});
    assert_eq!(code_of(&with("ipam", six)), 2);
    let gateway = json!({"type": "rcni", "subnet": "10.0.0.0/24",
        "routes": [{"dst": "10.0.0.0/8", "gw": "10.0.0.1"}]});
    assert_eq!(code_of(&with("ipam", gateway)), 2);
}

#[test]
fn what_is_no_json_object() {
    for (text, code) in [
        ("", 5),
        (" \n\t ", 5),
        ("{", 6),
        ("{\"name\": }", 6),
        ("[]", 6),
        ("null", 6),
        ("\"x\"", 6),
        ("{} {}", 6),
        ("\u{feff}{}", 6),
    ] {
        assert_eq!(
            parse(text.as_bytes()).expect_err("refused").code,
            code,
            "{text:?}"
        );
    }
    let deep = format!("{{\"name\":{}", "[".repeat(200_000));
    assert!(parse(deep.as_bytes()).is_err());
    let deep = format!("{{\"args\":{}", "{\"a\":".repeat(200_000));
    assert!(parse(deep.as_bytes()).is_err());
}

#[test]
fn eight_megabytes_work() {
    let large = with("padding", json!("x".repeat(8 << 20)));
    assert_eq!(code_of(&large), 0);
}

#[test]
fn routes_as_host_local_knows_them() {
    let routes = |ipam: Value| {
        let parsed = parse(with("ipam", ipam).to_string().as_bytes()).expect("valid");
        match parsed.ipam {
            Ipam::Own(own) => own.pool().expect("valid").routes,
            other => panic!("{other:?}"),
        }
    };
    let base = json!({"type": "rcni", "subnet": "10.0.0.0/24"});
    let network = |text: &str| -> IpNetwork { text.parse().expect("network") };
    assert_eq!(routes(base.clone()), [network("0.0.0.0/0")]);
    let mut both = base.clone();
    both["ranges"] = json!([[{"subnet": "fd00::/64"}]]);
    let defaults = ["0.0.0.0/0", "::/0"].map(network);
    assert_eq!(routes(both.clone()), defaults);
    both["routes"] = json!([{"dst": "fd00:1::5/32", "gw": "fe80::ecee:eeff:feee:eeee"}]);
    assert_eq!(routes(both), [network("fd00:1::/32")]);
    let six = json!({"type": "rcni", "ranges": [[{"subnet": "fd00::/64"}]]});
    assert_eq!(routes(six), [network("::/0")]);
    let mut none = base.clone();
    none["routes"] = json!([]);
    assert_eq!(routes(none), [] as [IpNetwork; 0]);
    let mut some = base;
    some["routes"] = json!([{"dst": "10.1.2.3/8"}, {"dst": "0.0.0.0/0", "gw": "169.254.1.1"}]);
    let expected: Vec<IpNetwork> = ["10.0.0.0/8", "0.0.0.0/0"]
        .iter()
        .map(|text| text.parse().expect("network"))
        .collect();
    assert_eq!(routes(some.clone()), expected);
    // Doubles, also those that differ in host bits or the gateway's name alone, count once.
    some["routes"] = json!([{"dst": "10.1.2.3/8"}, {"dst": "0.0.0.0/0"}, {"dst": "10.0.0.0/8"},
        {"dst": "0.0.0.0/0", "gw": "169.254.1.1"}, {"dst": "10.1.2.3/8"}]);
    assert_eq!(routes(some), expected);
}

#[test]
fn wanted_addresses_by_precedence() {
    let mut conf = conf();
    let wanted = |conf: &Value, args: Option<&str>| {
        parse(conf.to_string().as_bytes())
            .expect("valid")
            .wanted_addresses(args)
            .map(|list| list.iter().map(IpAddr::to_string).collect::<Vec<_>>())
    };
    assert_eq!(wanted(&conf, None), Ok(vec![]));
    assert_eq!(
        wanted(&conf, Some("10.0.0.3")),
        Ok(vec!["10.0.0.3".to_owned()])
    );
    conf["args"] = json!({"cni": {"ips": ["10.0.0.4/24"]}});
    assert_eq!(
        wanted(&conf, Some("10.0.0.3")),
        Ok(vec!["10.0.0.4".to_owned()])
    );
    conf["runtimeConfig"] = json!({"ips": ["10.0.0.5"]});
    assert_eq!(
        wanted(&conf, Some("10.0.0.3")),
        Ok(vec!["10.0.0.5".to_owned()])
    );
    conf["runtimeConfig"] = json!({"ips": ["10.0.0.5/32", "FD00::5/64", "::ffff:10.0.0.6"]});
    let all = ["10.0.0.5", "fd00::5", "10.0.0.6"].map(str::to_owned);
    assert_eq!(wanted(&conf, None), Ok(all.to_vec()));
    conf["runtimeConfig"] = json!({"ips": []});
    conf["args"] = json!({});
    let pair = ["10.0.0.3", "fd00::3"].map(str::to_owned);
    assert_eq!(wanted(&conf, Some("10.0.0.3,fd00::3")), Ok(pair.to_vec()));
    conf["runtimeConfig"] = json!({"ips": [7]});
    assert_eq!(wanted(&conf, None).expect_err("no text").code, 7);
}

#[test]
fn mac_addresses() {
    for (bad, reason) in [
        ("", "six bytes"),
        ("1", "six bytes"),
        ("02:00:00:00:00", "six bytes"),
        ("02:00:00:00:00:00:00", "six bytes"),
        ("0g:00:00:00:00:00", "six bytes"),
        ("+2:00:00:00:00:00", "six bytes"),
        ("01:00:00:00:00:00", "multicast"),
        ("ff:ff:ff:ff:ff:ff", "multicast"),
        ("00:00:00:00:00:00", "zeros"),
        ("ee:ee:ee:ee:ee:ee", "gateway"),
        ("EE-EE-EE-EE-EE-EE", "gateway"),
    ] {
        let refused = parse_mac(bad).expect_err(bad);
        assert!(refused.contains(reason), "{bad}: {refused}");
    }
    assert_eq!(parse_mac("02:00:00:00:00:ff"), Ok([2, 0, 0, 0, 0, 255]));
    assert_eq!(
        parse_mac("ee:ee:ee:ee:ee:ef"),
        Ok([238, 238, 238, 238, 238, 239])
    );
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes);
        let _ = peek_version(&bytes);
    }

    #[test]
    fn no_values_make_it_panic(
        key in "name|type|mtu|ipam|dns|runtimeConfig|args|prevResult|cniVersion",
        number in any::<f64>(), text in ".{0,20}",
        inner in "type|ranges|subnet|routes|dataDir|ips|mac|rangeStart|gateway",
    ) {
        for value in [json!(number), json!(text), json!([text]), json!({&inner: text}),
            json!({"type": "rcni", &inner: [[{"subnet": text}]]}),
            json!({"type": "rcni", "subnet": "10.0.0.0/24", &inner: text})] {
            let _ = code_of(&with(&key, value));
        }
    }
}
