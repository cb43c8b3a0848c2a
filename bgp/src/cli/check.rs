//! `rcni-bgp check`.

use std::path::Path;
use std::process::ExitCode;

use super::{REFUSED, load, print};

pub(super) fn run(file: &Path) -> ExitCode {
    let Some(config) = load(file) else {
        return REFUSED.into();
    };
    print(&format!(
        "{}: fine: AS {}, router id {}, {} networks, {} peers, {} filters\n",
        file.display(),
        config.asn,
        config.router_id,
        config.networks.len(),
        config.peers.len(),
        config.filters.len(),
    ));
    ExitCode::SUCCESS
}
