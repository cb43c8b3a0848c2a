//! The schemas of what `-o json` prints are those of the types.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails, also in its helpers"
)]

use std::path::Path;

use rcni_bgp::control::model::Status;
use rcni_bgp::control::routes::RoutesPage;
use rcni_bgp::explain::Facts;
use rcni_control::events::EventsPage;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};

/// Set, the files are written; unset, they are compared.
const WRITE: &str = "RCNI_WRITE_SCHEMAS";

fn generator() -> SchemaGenerator {
    SchemaSettings::draft2020_12()
        .for_serialize()
        .into_generator()
}

fn file_is<T: JsonSchema>(name: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/observability/schemas");
    let file = folder.join(format!("{name}.json"));
    let schema = generator().into_root_schema_for::<T>();
    let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
    if std::env::var_os(WRITE).is_some() {
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(&file, &text).unwrap();
    }
    let found = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        found == text,
        "{} is not that of the types: {WRITE}=1 cargo test --all-features --test schemas, and say in the \
         README what has changed",
        file.display()
    );
}

#[test]
fn the_files_are_those_of_the_types() {
    file_is::<Status>("bgp-status");
    file_is::<RoutesPage>("bgp-routes");
    file_is::<Facts>("bgp-explain");
    file_is::<EventsPage>("events");
}
