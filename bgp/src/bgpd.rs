//! `rcni-bgpd`: what `rcni-bgp run` becomes. Without the command line's other half a megabyte less is resident
//! on every node.

use std::process::ExitCode;

fn main() -> ExitCode {
    rcni_bgp::cli::run::daemon()
}
