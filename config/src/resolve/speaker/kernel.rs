//! How routes are written into the kernel.

use crate::raw::{Int, KernelSpec, Located, NextHopGroupsSpec, ResilientGroupsSpec};
use crate::resolve::subject::Subject;
use crate::{KernelConfig, NextHopGroups, ResilientGroups, kernel};

/// Of a group's times, in seconds: a week. The kernel has 32 bits of hundredths.
const MAX_SECS: u32 = 604_800;

/// `maximum_paths`: as many next hops a route may have.
pub(super) fn kernel(
    subject: &mut Subject<'_>,
    spec: &KernelSpec,
    maximum_paths: u8,
) -> KernelConfig {
    let all = 1..=u32::MAX;
    let metric = |subject: &mut Subject<'_>, path, given: Option<Located<Int>>, default| {
        let metric = subject.number(path, given, all.clone(), default);
        if let Some(given) = given.filter(|_| metric == kernel::BLACKHOLE_METRIC) {
            let reason = format!("metric {metric} marks felix-lite's blackhole routes");
            subject.refuse(given.place, path, &reason, "write any other");
        }
        metric
    };
    let path = "spec.kernel.metric";
    let default_path = "spec.kernel.defaultRouteMetric";
    let default_metric = kernel::BGP_DEFAULT_ROUTE_METRIC;
    let table = subject.number(
        "spec.kernel.table",
        spec.table,
        all.clone(),
        kernel::TABLE_MAIN,
    );
    if let Some(given) = spec.table.filter(|_| table == kernel::TABLE_LOCAL) {
        let reason = "table 255 (local) is filled by the kernel itself";
        let hint = "write 254 (main) or another number";
        subject.refuse(given.place, "spec.kernel.table", reason, hint);
    }
    KernelConfig {
        protocol: subject.protocol("spec.kernel.protocol", spec.protocol),
        metric: metric(subject, path, spec.metric, kernel::BGP_METRIC),
        default_route_metric: metric(
            subject,
            default_path,
            spec.default_route_metric,
            default_metric,
        ),
        table,
        install: spec.install.unwrap_or(true),
        next_hop_groups: next_hop_groups(subject, spec, maximum_paths),
    }
}

fn next_hop_groups(
    subject: &mut Subject<'_>,
    spec: &KernelSpec,
    maximum_paths: u8,
) -> NextHopGroups {
    let path = "spec.kernel.resilientGroups";
    let given = spec.resilient_groups.as_ref();
    let wanted = spec.next_hop_groups.unwrap_or_default();
    if let Some(given) = given
        && wanted != NextHopGroupsSpec::Resilient
        && !subject.is_unread("spec.kernel.nextHopGroups")
    {
        let reason = "has no effect without nextHopGroups: Resilient";
        let hint = "write nextHopGroups: Resilient, or remove it";
        subject.refuse(given.place, path, reason, hint);
    }
    let default = ResilientGroupsSpec::default();
    let groups = given.map_or(&default, |given| &given.value);
    let resilient = resilient(subject, path, groups, maximum_paths);
    match wanted {
        NextHopGroupsSpec::Auto => NextHopGroups::Auto,
        NextHopGroupsSpec::Resilient => NextHopGroups::Resilient(resilient),
        NextHopGroupsSpec::Never => NextHopGroups::Never,
    }
}

fn resilient(
    subject: &mut Subject<'_>,
    path: &str,
    spec: &ResilientGroupsSpec,
    maximum_paths: u8,
) -> ResilientGroups {
    let default = ResilientGroups::default();
    // 128 by default, and more where a route may have more next hops.
    let default_buckets = default.buckets.max(u16::from(maximum_paths));
    let buckets = format!("{path}.buckets");
    let groups = ResilientGroups {
        buckets: subject.number(&buckets, spec.buckets, 1..=u16::MAX, default_buckets),
        idle_secs: subject.number(
            &format!("{path}.idleTimeSeconds"),
            spec.idle_time_seconds,
            0..=MAX_SECS,
            default.idle_secs,
        ),
        unbalanced_secs: subject.number(
            &format!("{path}.unbalancedTimeSeconds"),
            spec.unbalanced_time_seconds,
            0..=MAX_SECS,
            default.unbalanced_secs,
        ),
    };
    if let Some(given) = spec.buckets
        && groups.buckets < u16::from(maximum_paths)
        && !subject.is_unread(&buckets)
    {
        let reason = format!(
            "{} is less than spec.maximumPaths ({maximum_paths}), and some next hops would get \
             nothing",
            groups.buckets
        );
        let hint = format!("write {maximum_paths} to 65535, better many times as many");
        subject.refuse(given.place, &buckets, &reason, &hint);
    }
    groups
}
