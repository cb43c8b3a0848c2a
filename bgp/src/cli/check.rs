//! `rcni-bgp check`.

use std::path::Path;
use std::process::ExitCode;

use super::{REFUSED, print, refuse};

pub(super) fn run(file: &Path) -> ExitCode {
    match rcni_config::load_speaker(file) {
        Ok(config) => {
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
        Err(errors) => {
            refuse(&errors);
            REFUSED.into()
        }
    }
}
