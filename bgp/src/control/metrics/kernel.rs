//! The kernel's side.

use super::{Exposition, Kind};
use crate::fib::FibStatus;
use crate::fib::drift::Cause;
use crate::fib::rivals::Effect;

/// Everything about kernel routes.
pub fn kernel(out: &mut Exposition, install: bool, fib: &FibStatus) {
    let help = "Whether routes are written to the kernel at all (spec.kernel.install).";
    out.family("rcni_bgp_kernel_install", Kind::Gauge, help)
        .sample(&[], u64::from(install));
    let help =
        "Whether the kernel's routes can be read; if not, what others change may go unnoticed.";
    out.family("rcni_bgp_kernel_readable", Kind::Gauge, help)
        .sample(&[], u64::from(fib.trouble.is_none()));
    routes(out, fib);
    let help = "Own routes that were put back or put right: deleted or changed by another program, \
                gone with a link or an address, or found by an audit.";
    let name = "rcni_bgp_kernel_routes_repaired_total";
    let mut family = out.family(name, Kind::Counter, help);
    for cause in Cause::ALL {
        family.sample(&[("cause", cause.as_str())], fib.repairs.of(cause));
    }
    let help = "Other programs' routes for prefixes that are ours, too: preferred to ours, in the \
                way of ours, or beside ours and not used.";
    let mut family = out.family("rcni_bgp_kernel_foreign_routes", Kind::Gauge, help);
    for (effect, count) in Effect::ALL.into_iter().zip(fib.rivals.counts) {
        let effect = effect.to_string().replace(' ', "_");
        family.sample(&[("effect", &effect)], count as u64);
    }
}

fn routes(out: &mut Exposition, fib: &FibStatus) {
    let help = "Own routes: installed (degraded ones among them, which lack some of their next hops), \
                stale from an earlier run, pending writes, and failed ones that are tried again.";
    let mut family = out.family("rcni_bgp_kernel_routes", Kind::Gauge, help);
    for (state, count) in [
        ("installed", fib.installed),
        ("degraded", fib.degraded_count),
        ("stale", fib.stale),
        ("pending", fib.pending),
        ("failed", fib.failed_count),
    ] {
        family.sample(&[("state", state)], count as u64);
    }
}
