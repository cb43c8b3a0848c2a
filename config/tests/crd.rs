//! The custom resources are the file's kinds: same fields, same checks, and the definitions in
//! `crd/` are those of the types.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests may fail a test"
)]

use std::path::Path;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray,
};
use kube::ResourceExt;
use rcni_config::crd::{self, BGPConfiguration, BGPFilter, BGPPeer};
use rcni_config::raw::{Located, Object, Place, SpeakerObjects};
use rcni_config::resolve::{self, Report};
use serde_json::{Value, json};

#[test]
fn the_files_in_crd_are_those_of_the_types() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("crd");
    let mut files = Vec::new();
    for (file, definition) in crd::all() {
        let expected = crd::yaml(&definition).unwrap();
        let found = std::fs::read_to_string(folder.join(file)).unwrap_or_default();
        assert!(
            found == expected,
            "crd/{file} differs from the types: \
             cargo run -p rcni-config --features crd --example crds"
        );
        files.push(file.to_owned());
    }
    let mut present: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    present.sort();
    assert_eq!(present, files);
}

/// What the API server demands of a structural schema, as far as it can go wrong here.
fn assert_structural(path: &str, schema: &JSONSchemaProps) {
    let either = schema.x_kubernetes_int_or_string == Some(true);
    if either {
        assert_either(path, schema);
    }
    assert_eq!(schema.type_.is_some(), !either, "{path}: type");
    assert!(
        schema.description.is_some() || path.is_empty() || path.ends_with("[]"),
        "{path} has no description"
    );
    assert!(
        schema.additional_properties.is_none(),
        "{path} forbids or allows additional fields"
    );
    assert!(schema.ref_path.is_none(), "{path} is a reference");
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &schema.items {
        assert_structural(&format!("{path}[]"), items);
    }
    for (name, inner) in schema.properties.iter().flatten() {
        assert_structural(&format!("{path}.{name}"), inner);
    }
}

#[test]
fn the_definitions_are_structural_and_cluster_scoped() {
    for (file, definition) in crd::all() {
        assert_eq!(definition.spec.group, "rcni.io");
        assert_eq!(definition.spec.scope, "Cluster");
        let [version] = definition.spec.versions.as_slice() else {
            panic!("{file}")
        };
        assert_eq!(version.name, "v1alpha1");
        let schema = version
            .schema
            .as_ref()
            .unwrap()
            .open_api_v3_schema
            .as_ref()
            .unwrap();
        assert_structural("", schema);
    }
}

/// The only form in which a structural schema may leave the type open.
fn assert_either(path: &str, schema: &JSONSchemaProps) {
    assert_eq!((&schema.any_of, &schema.one_of), (&None, &None), "{path}");
    let pattern = schema.pattern.as_deref();
    assert_eq!(pattern, Some("^(internal|external)$"), "{path}");
    assert_eq!(
        (schema.minimum, schema.maximum),
        (Some(1.0), Some(4_294_967_295.0))
    );
}

fn metadata(name: &str) -> Value {
    json!({"name": name, "uid": "5", "labels": {"a": "b"}, "managedFields": []})
}

fn resource(kind: &str, name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "rcni.io/v1alpha1", "kind": kind, "metadata": metadata(name), "spec": spec})
}

fn object<S>(name: String, spec: S) -> Object<S> {
    Object {
        name: Located::nowhere(name),
        spec,
        place: Place::default(),
        line_offset: 0,
    }
}

/// The three objects as the API server sends them.
fn from_cluster(configuration: &Value, peer: &Value, filter: &Value) -> SpeakerObjects {
    let configuration = resource("BGPConfiguration", "default", configuration);
    let configuration: BGPConfiguration = serde_json::from_value(configuration).unwrap();
    let peer: BGPPeer = serde_json::from_value(resource("BGPPeer", "tor", peer)).unwrap();
    let filter: BGPFilter =
        serde_json::from_value(resource("BGPFilter", "from-fabric", filter)).unwrap();
    SpeakerObjects {
        bfd_profiles: Vec::new(),
        configurations: vec![object(configuration.name_any(), configuration.spec)],
        peers: vec![object(peer.name_any(), peer.spec)],
        filters: vec![object(filter.name_any(), filter.spec)],
    }
}

#[test]
fn objects_of_a_cluster_resolve_as_those_of_a_file() {
    let objects = from_cluster(
        &json!({"asNumber": 65001, "routerID": "10.0.1.11", "networks": [{"cidr": "10.244.1.0/24"}]}),
        &json!({"peerIP": "10.0.1.1", "asNumber": 65000, "filters": ["from-fabric"]}),
        &json!({"importV4": [
            {"action": "Accept", "matchOperator": "In", "cidr": "10.244.0.0/16",
             "prefixLength": {"min": 24, "max": 28}},
            {"action": "Accept", "matchOperator": "Equal", "cidr": "0.0.0.0/0"},
            {"action": "Reject"},
        ]}),
    );
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/two-node/node1-bgp.yaml");
    let from_file = rcni_config::load_speaker(&file).unwrap();
    assert_eq!(
        resolve::speaker(Report::new("cluster"), &objects).unwrap(),
        from_file
    );
}

#[test]
fn objects_of_a_cluster_are_refused_as_those_of_a_file() {
    let objects = from_cluster(
        &json!({"asNumber": 0, "routerID": "10.0.1.11", "kernel": {"protocol": 186}}),
        &json!({"peerIP": "10.0.1.1", "asNumber": 65000, "filters": ["absent"]}),
        &json!({"exportV4": [{"action": "Accept", "matchOperator": "In", "cidr": "10.0.0.1/8"}]}),
    );
    let errors = resolve::speaker(Report::new("cluster"), &objects).unwrap_err();
    let fields: Vec<&str> = errors.iter().map(|error| error.field.as_str()).collect();
    assert_eq!(
        fields,
        [
            "spec.exportV4[0].cidr (BGPFilter from-fabric)",
            "spec.filters[0] (BGPPeer tor)",
            "spec.asNumber (BGPConfiguration default)",
            "spec.kernel.protocol (BGPConfiguration default)",
        ]
    );
    assert!(
        errors
            .iter()
            .all(|error| error.file == "cluster" && error.line.is_none())
    );
}

#[test]
fn a_spec_survives_writing_and_reading() {
    for spec in [
        json!({"peerIP": "10.0.1.1", "asNumber": 65000, "passive": true, "holdTimeSeconds": 9,
               "families": ["ipv6"], "password": "a"}),
        json!({"peerRange": "10.0.1.0/24", "maximumPeers": 5, "asNumber": "external",
               "localASNumber": 65009, "multihop": 2, "profile": "dc", "keepaliveSeconds": 1,
               "addPath": {"receive": true, "send": 4}, "extendedMessages": false,
               "role": "rs-server", "roleStrict": true, "enforceFirstAS": false,
               "numAllowedLocalASNumbers": 1, "asOverride": true, "removePrivateAS": "replace",
               "nextHopMode": "Self", "routeReflectorClient": false,
               "honorGracefulShutdown": false,
               "maximumPrefixes": {"ipv4": 5, "warningPercent": 80, "action": "Drop"},
               "tcpAO": {"keys": [{"sendID": 1, "receiveID": 2, "algorithm": "hmac-sha-1-96",
                                   "secret": "a"}]}}),
        json!({"peerIP": "10.0.1.1", "asNumber": "internal", "ttlSecurity": 1}),
    ] {
        let peer: BGPPeer = serde_json::from_value(resource("BGPPeer", "tor", &spec)).unwrap();
        assert_eq!(serde_json::to_value(&peer.spec).unwrap(), spec);
    }
}

#[test]
fn a_rule_survives_writing_and_reading() {
    let spec = json!({"exportV6": [
        {"action": "Accept", "matchOperator": "In", "cidr": "fd00::/8", "prefixLength": {"min": 9},
         "communities": {"anyOf": ["1:1"], "allOf": ["rt:1:1"], "noneOf": ["1:1:1"]},
         "asPath": {"contains": 1, "origin": 2, "neighbor": 3, "minLength": 0, "maxLength": 9,
                    "regex": "_1_"},
         "nextHop": "10.0.0.0/8", "source": "RemotePeers",
         "neighbor": {"name": "tor", "address": "10.0.0.1", "asNumber": 1},
         "set": {"localPreference": 0, "med": 1, "nextHop": "unchanged",
                 "prependASPath": {"count": 16, "asNumber": 5},
                 "communities": {"add": ["no-export"], "remove": ["all"]}}}]});
    let filter: BGPFilter =
        serde_json::from_value(resource("BGPFilter", "to-fabric", &spec)).unwrap();
    assert_eq!(serde_json::to_value(&filter.spec).unwrap(), spec);
}
