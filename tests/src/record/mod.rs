//! `rcni-lab record`: whole sessions of real routers with a scripted speaker, as files that
//! `bgp/proto/tests/recorded` replays.
//!
//! ```text
//!   10.0.1.11 AS 65001 (recorded) --.
//!                                    >--- 10.0.1.1 AS 65000, the router
//!   10.0.1.12 AS 65002 (helper) ----'
//! ```
//!
//! The helper brings routes that a router passes on: attributes that not every router can
//! originate, an unknown one, a second path.

mod routers;
pub mod session;
pub mod wire;

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result};

pub use routers::Router;
use session::{Dial, Recording, Session};
use wire::kind;

use crate::{Lab, Node, Options, wait_until};

const BOTH: &str = "0104 0001 00 01  0104 0002 00 01";
/// Route refresh, extended messages, graceful restart, 4-octet AS, enhanced route refresh.
const USUAL: &str = "0200  0600  400a 0078 000101 80 000201 80  4104 0000fde9  4600";
const ADD_PATH: &str = "4508 000101 01 000201 01";
const EXTENDED_NEXT_HOP: &str = "0506 0001 0001 0002";
/// 10.0.1.11.
const BGP_ID: &str = "0a00010b";

/// Own routes: 10.244.1.0/24 and fd00:10:244:1::/64, path 65001.
const OWN_V4: [&str; 2] = [
    "40010100 40020602010000fde9 4003040a00010b c0080400640064",
    "180af401",
];
const OWN_V6: &str = "800e 1e 0002 01 10 fd000010000000010000000000000011 00 40 fd00001002440001 \
                      40010100 40020602010000fde9";

/// 100.64.2.0/24 of AS 65002 with what there is: AS 4200000001, AGGREGATOR, ATOMIC_AGGREGATE,
/// three kinds of communities, attribute 99; and 198.51.100.0/24, which the router has itself.
const HELPER_V4: [&str; 2] = [
    "40010102 40020e02030000fdea fa56ea01 0000fe10 4003040a00010c 8004 04 0000002a 400600 \
     c00708 fa56ea01 0a00010c c00808 fdea0001 ffff0000 c01008 0002fdea00000007 \
     c0200c 0000fdea 00000001 00000002 c063 04 deadbeef",
    "18644002",
];
const HELPER_SECOND: [&str; 2] = [
    "40010100 40020a02020000fdea0000fdfc 4003040a00010c",
    "18c63364",
];
const HELPER_THIRD: [&str; 2] = ["40010100 40020602010000fdea 4003040a00010c", "18644003"];
const HELPER_V6: &str = "800e 1c 0002 01 10 fd000010000000010000000000000012 00 30 20010db81000 \
                         40010100 40020602010000fdea";

const END_OF_RIB_V6: &str = "800f03 000201";

/// What is recorded of each router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scenario {
    /// All that a session is made of, until the router says farewell.
    Session,
    /// The speaker knows no 4-octet AS numbers and no other family.
    TwoOctet,
    /// Several paths per prefix.
    AddPath,
    /// The router crashes and comes back.
    Restart,
    /// A session over IPv6, with IPv6 next hops of IPv4 routes.
    OverIpv6,
}

impl Scenario {
    fn name(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::TwoOctet => "two-octet",
            Self::AddPath => "add-path",
            Self::Restart => "restart",
            Self::OverIpv6 => "over-ipv6",
        }
    }

    fn of(router: Router) -> Vec<Self> {
        let mut all = vec![Self::Session, Self::TwoOctet, Self::AddPath, Self::Restart];
        if matches!(router, Router::Frr | Router::Bird) {
            all.push(Self::OverIpv6);
        }
        all
    }

    fn open(self, router: Router) -> Result<Vec<u8>> {
        let capabilities = match self {
            // It tells nothing to a speaker without the capability of a family.
            Self::TwoOctet if router == Router::Openbgpd => "0104 0001 00 01".to_owned(),
            Self::Session | Self::Restart => format!("{BOTH} {USUAL}"),
            Self::AddPath => format!("{BOTH} {USUAL} {ADD_PATH}"),
            Self::OverIpv6 => format!("{BOTH} {USUAL} {EXTENDED_NEXT_HOP}"),
            Self::TwoOctet => String::new(),
        };
        wire::open(65001, BGP_ID, &capabilities)
    }
}

/// Records all scenarios of `router` into `folder`. `tag` is the version of the image.
///
/// # Errors
/// The lab does not come up, or the router does not do what a scenario expects.
pub fn record(router: Router, tag: Option<&str>, folder: &Path) -> Result<Vec<String>> {
    let mut made = Vec::new();
    for scenario in Scenario::of(router) {
        let lab = deploy(router, tag)?;
        let text = play(router, scenario, &lab)
            .with_context(|| format!("{} {}\n{}", router.name(), scenario.name(), lab.report()))?;
        let version = router.version(lab.node("tor")?)?;
        let name = format!("{}-{version}-{}.hex", router.name(), scenario.name());
        let header = header(router, &version, scenario);
        std::fs::write(folder.join(&name), header + &text)?;
        made.push(name);
    }
    Ok(made)
}

fn header(router: Router, version: &str, scenario: Scenario) -> String {
    let mut text = String::new();
    let name = router.name();
    let what = match scenario {
        Scenario::Session => "routes, a change, route refresh, Cease with a text",
        Scenario::TwoOctet => "2-octet AS numbers, no capabilities or only IPv4 unicast",
        Scenario::AddPath => "add-path, received here",
        Scenario::Restart => "the router is killed and comes back; graceful restart",
        Scenario::OverIpv6 => "over IPv6, with RFC 8950",
    };
    let _ = write!(
        text,
        "# {name} {version}: {what}\n\
         # AS 65000, 10.0.1.1, with tests/topologies/recorded/configs/{name}; the speaker is\n\
         # AS 65001, 10.0.1.11. Made by `rcni-lab record`.\n\
         # > to the router, < from it, + and ! connections, = what was done.\n"
    );
    text
}

fn deploy(router: Router, tag: Option<&str>) -> Result<Lab> {
    let file = router.topology();
    let Some(tag) = tag else {
        return Lab::deploy(&file, &Options::default());
    };
    // Beside the configurations that it binds, and gone before anybody looks.
    let folder = file.parent().context("a folder")?;
    let copy = tempfile::tempdir()?;
    let from = folder.join(".").display().to_string();
    let to = copy.path().display().to_string();
    crate::lab::process::check("cp", &["-r", &from, &to])?;
    let file = copy.path().join(file.file_name().context("a name")?);
    let text = std::fs::read_to_string(&file)?;
    let line = text
        .lines()
        .find(|line| line.contains("image: ") && !line.contains("alpine"));
    let line = line.context("no image")?;
    let (image, _) = line.rsplit_once(':').context("no tag")?;
    std::fs::write(&file, text.replacen(line, &format!("{image}:{tag}"), 1))?;
    Lab::deploy(&file, &Options::default())
}

fn dial(speaker: &Node, local: &str, remote: &str) -> Result<Dial> {
    Ok(Dial {
        pid: speaker.init().pid,
        local: local.parse()?,
        remote: remote.parse()?,
    })
}

fn helper(speaker: &Node) -> Result<Session> {
    let open = wire::open(65002, "0a00010c", &format!("{BOTH} 0200 4104 0000fdea"))?;
    let dial = dial(speaker, "10.0.1.12", "10.0.1.1")?;
    let mut helper = Session::establish(dial, &open, &Recording::default())?;
    for [attributes, nlri] in [HELPER_V4, HELPER_SECOND, HELPER_THIRD] {
        helper.send(&wire::update("", attributes, nlri)?)?;
    }
    helper.send(&wire::update("", HELPER_V6, "")?)?;
    helper.send(&wire::update("", "", "")?)?;
    helper.send(&wire::update("", END_OF_RIB_V6, "")?)?;
    helper.wait_quiet();
    Ok(helper)
}

/// The prefixes of [`helper`] go, one by one.
fn withdraw(helper: &mut Session) -> Result<()> {
    helper.send(&wire::update("18644002", "", "")?)?;
    helper.send(&wire::update("18c63364", "", "")?)?;
    helper.send(&wire::update("", "800f0a 000201 30 20010db81000", "")?)
}

fn play(router: Router, scenario: Scenario, lab: &Lab) -> Result<String> {
    let (tor, speaker) = (lab.node("tor")?, lab.node("speaker")?);
    let recording = Recording::default();
    let dial = match scenario {
        Scenario::OverIpv6 => dial(speaker, "fd00:10:0:1::11", "fd00:10:0:1::1")?,
        _ => dial(speaker, "10.0.1.11", "10.0.1.1")?,
    };
    let mut helper = match scenario {
        Scenario::Restart => None,
        _ => Some(helper(speaker)?),
    };
    wait_until(std::time::Duration::from_secs(30), "routes", || {
        router.originate(tor)
    })?;
    let note = |line: &str| recording.note(format!("= {line}"));
    let mut session = Session::establish(dial, &scenario.open(router)?, &recording)?;
    session.wait_quiet();
    match scenario {
        Scenario::Session => {
            session.send(&wire::update("", OWN_V4[0], OWN_V4[1])?)?;
            session.send(&wire::update("", OWN_V6, "")?)?;
            session.send(&wire::update("", "", "")?)?;
            session.send(&wire::update("", END_OF_RIB_V6, "")?)?;
            session.wait_quiet();
            note("the router originates 198.51.102.0/24");
            router.extra(tor, true)?;
            session.wait_quiet();
            note("and not any more");
            router.extra(tor, false)?;
            session.wait_quiet();
            session.send(&wire::message(kind::ROUTE_REFRESH, "0001 00 01")?)?;
            session.wait_quiet();
            session.send(&wire::message(kind::ROUTE_REFRESH, "0002 00 01")?)?;
            session.wait_quiet();
            note("the helper withdraws");
            helper.as_mut().map_or(Ok(()), withdraw)?;
            session.wait_quiet();
            note("the router shuts the session down");
            router.farewell(tor)?;
            session.wait_for(kind::NOTIFICATION)?;
            session.wait_closed()?;
            recording.note("! closed by the router".to_owned());
            return Ok(recording.text());
        }
        Scenario::AddPath | Scenario::TwoOctet | Scenario::OverIpv6 => {
            note("the helper withdraws");
            helper.as_mut().map_or(Ok(()), withdraw)?;
            session.wait_quiet();
        }
        Scenario::Restart => {
            session.send(&wire::update("", "", "")?)?;
            session.send(&wire::update("", END_OF_RIB_V6, "")?)?;
            session.wait_quiet();
            note("the router is killed");
            router.crash(tor)?;
            session.wait_closed()?;
            recording.note("! closed by the router".to_owned());
            drop(session);
            session = Session::establish(dial, &scenario.open(router)?, &recording)?;
            session.send(&wire::update("", "", "")?)?;
            session.send(&wire::update("", END_OF_RIB_V6, "")?)?;
            session.wait_quiet();
        }
    }
    session.close();
    Ok(recording.text())
}
