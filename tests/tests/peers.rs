//! The tree of real routers: each program in it starts, and none of it is on the host's side.

mod common;

use anyhow::{Result, ensure};
use common::deploy_text;

#[test]
fn every_router_of_the_tree_runs() -> Result<()> {
    let (_folder, lab) = deploy_text(
        "name: peers\ntopology:\n  nodes:\n    a: {kind: linux, image: bird, cmd: sleep 1000, \
         network-mode: none}\n",
    )?;
    let node = lab.node("a")?;
    for (argv, wanted) in [
        (&["/usr/lib/frr/bgpd", "--version"][..], "version 8.4"),
        (&["/usr/sbin/bird", "--version"], "BIRD version 2."),
        (&["/usr/bin/gobgpd", "--version"], "gobgpd version"),
        (&["/usr/sbin/bgpd", "-V"], "OpenBGPD 7."),
        (&["id", "frr"], "frrvty"),
        (&["id", "_openbgpd"], "_openbgpd"),
    ] {
        let said = node.exec(argv)?;
        let text = format!("{}{}", said.stdout, said.stderr);
        ensure!(said.success() && text.contains(wanted), "{argv:?}: {text}");
    }
    Ok(())
}
