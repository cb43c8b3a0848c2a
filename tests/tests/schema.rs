//! Every topology of the repository is valid for containerlab itself.
//!
//! The schema belongs to containerlab and is not copied here. This target is not part of a plain
//! test run, where it could only pass without having looked: CI runs it by its name,
//! `CLAB_SCHEMA=… cargo test -p rcni-tests --test schema`, and without CLAB_SCHEMA it fails.

use serde_json::{Value, json};

fn schema() -> Value {
    let path = std::env::var("CLAB_SCHEMA").expect("CLAB_SCHEMA names containerlab's schema file");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_str(&text).unwrap()
}

#[test]
fn every_topology_is_valid() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let files = rcni_tests::topologies().unwrap();
    for path in &files {
        let text = std::fs::read_to_string(path).unwrap();
        let value: Value = serde_saphyr::from_str(&text).unwrap();
        let problems: Vec<String> = validator
            .iter_errors(&value)
            .map(|e| format!("{}: {e}", e.instance_path()))
            .collect();
        assert!(problems.is_empty(), "{}: {problems:#?}", path.display());
    }
    assert!(files.len() >= 8, "only {files:?} found");
}

/// That the schema would say no: otherwise the test above could not fail.
#[test]
fn an_unknown_node_key_is_invalid() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let good = json!({"name": "x", "topology": {"nodes": {"a": {"kind": "linux"}}}});
    assert!(validator.is_valid(&good));
    let bad = json!({"name": "x", "topology": {"nodes": {"a": {"kind": "linux", "colour": 1}}}});
    assert!(!validator.is_valid(&bad));
}
