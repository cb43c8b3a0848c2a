//! Which fields of two configurations differ.

use super::super::api::{GracefulRestartConfig, PeerConfig, Remote, SpeakerConfig, Timers};
use super::{Field, without};
use crate::rib::Knobs;
use crate::validate::{AddPath, Offer};

/// Collects what differs.
struct Fields(Vec<Field>);

impl Fields {
    fn add(&mut self, field: Field, differs: bool) {
        self.0.extend(differs.then_some(field));
    }
}

pub(super) fn of_speaker(before: &SpeakerConfig, after: &SpeakerConfig) -> Vec<Field> {
    let SpeakerConfig {
        asn,
        router_id,
        cluster_id,
        networks,
        maximum_paths,
        multipath_relax,
        graceful_restart,
        restarting: _,
        peers: _,
        seed: _,
    } = after;
    let GracefulRestartConfig {
        restart_secs,
        stale_secs,
        long_lived_secs,
    } = *graceful_restart;
    let graceful = before.graceful_restart;
    let same_networks = without(networks, &before.networks).is_empty()
        && without(&before.networks, networks).is_empty();
    let mut fields = Fields(Vec::new());
    fields.add(Field::Asn, *asn != before.asn);
    fields.add(Field::RouterId, *router_id != before.router_id);
    fields.add(Field::Networks, !same_networks);
    fields.add(
        Field::MaximumPaths,
        (*maximum_paths).max(1) != before.maximum_paths.max(1),
    );
    fields.add(
        Field::MultipathRelax,
        *multipath_relax != before.multipath_relax,
    );
    fields.add(Field::ClusterId, *cluster_id != before.cluster_id);
    fields.add(Field::RestartTime, restart_secs != graceful.restart_secs);
    fields.add(Field::StaleTime, stale_secs != graceful.stale_secs);
    fields.add(
        Field::LongLivedTime,
        long_lived_secs != graceful.long_lived_secs,
    );
    fields.0
}

pub(super) fn of_peer(before: &PeerConfig, after: &PeerConfig) -> Vec<Field> {
    let PeerConfig {
        name,
        remote,
        asn,
        local_asn,
        passive,
        local_address,
        timers,
        families,
        offer,
        enforce_first_as,
        knobs,
        limits,
        import,
        export,
    } = after;
    let mut fields = Fields(Vec::new());
    fields.add(Field::Name, *name != before.name);
    of_remote(&before.remote, remote, &mut fields);
    fields.add(Field::RemoteAs, *asn != before.asn);
    fields.add(Field::LocalAs, *local_asn != before.local_asn);
    fields.add(Field::Passive, *passive != before.passive);
    fields.add(Field::LocalAddress, *local_address != before.local_address);
    of_timers(before.timers, *timers, &mut fields);
    fields.add(Field::Families, *families != before.families);
    of_offer(before.offer, *offer, &mut fields);
    fields.add(
        Field::EnforceFirstAs,
        *enforce_first_as != before.enforce_first_as,
    );
    of_knobs(before.knobs, *knobs, &mut fields);
    fields.add(Field::MaximumPrefixes, *limits != before.limits);
    fields.add(Field::Import, *import != before.import);
    fields.add(Field::Export, *export != before.export);
    fields.0
}

fn of_remote(before: &Remote, after: &Remote, fields: &mut Fields) {
    match (before, after) {
        (
            Remote::Address { address, port },
            Remote::Address {
                address: new,
                port: new_port,
            },
        ) => {
            fields.add(Field::Place, address != new);
            fields.add(Field::Port, port != new_port);
        }
        (
            Remote::Range { network, limit },
            Remote::Range {
                network: new,
                limit: new_limit,
            },
        ) => {
            fields.add(Field::Network, network != new);
            fields.add(Field::Limit, limit != new_limit);
        }
        (
            Remote::Link {
                links,
                address,
                port,
            },
            Remote::Link {
                links: new,
                address: new_address,
                port: new_port,
            },
        ) => {
            fields.add(Field::Links, (links, address) != (new, new_address));
            fields.add(Field::Port, port != new_port);
        }
        (before, after) if before == after => {}
        _ => fields.add(Field::Place, true),
    }
}

fn of_knobs(before: Knobs, after: Knobs, fields: &mut Fields) {
    let Knobs {
        allow_own_as,
        as_override,
        remove_private,
        next_hop,
        client,
        honor_graceful_shutdown,
    } = after;
    fields.add(Field::AllowOwnAs, allow_own_as != before.allow_own_as);
    fields.add(Field::AsOverride, as_override != before.as_override);
    fields.add(
        Field::RemovePrivate,
        remove_private != before.remove_private,
    );
    fields.add(Field::NextHop, next_hop != before.next_hop);
    fields.add(Field::Client, client != before.client);
    let honored = before.honor_graceful_shutdown;
    fields.add(Field::HonorShutdown, honor_graceful_shutdown != honored);
}

fn of_timers(before: Timers, after: Timers, fields: &mut Fields) {
    let Timers {
        hold_time_secs,
        keepalive_secs,
        connect_retry,
        bfd,
    } = after;
    fields.add(Field::HoldTime, hold_time_secs != before.hold_time_secs);
    fields.add(Field::Keepalive, keepalive_secs != before.keepalive_secs);
    fields.add(Field::ConnectRetry, connect_retry != before.connect_retry);
    fields.add(Field::Bfd, bfd != before.bfd);
}

fn of_offer(before: Offer, after: Offer, fields: &mut Fields) {
    let Offer {
        extended_messages,
        add_path: AddPath { receive, send },
        role,
        role_strict,
    } = after;
    fields.add(
        Field::ExtendedMessages,
        extended_messages != before.extended_messages,
    );
    fields.add(Field::AddPathReceive, receive != before.add_path.receive);
    match (before.add_path.send, send) {
        (0, 0) => {}
        (0, _) | (_, 0) => fields.add(Field::AddPathSend, true),
        (old, new) => fields.add(Field::PathsTold, old != new),
    }
    fields.add(Field::Role, role != before.role);
    fields.add(Field::RoleStrict, role_strict != before.role_strict);
}
