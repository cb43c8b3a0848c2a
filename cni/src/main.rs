//! `rcni`, the CNI plugin: all of it is in the library, behind [`rcni_cni::skel`].

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut edge = rcni_cni::skel::Edge::of_process();
    ExitCode::from(rcni_cni::skel::run(&mut edge))
}
