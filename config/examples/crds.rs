//! Writes config/crd/*.yaml anew from the types.

use std::error::Error;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("crd");
    std::fs::create_dir_all(&folder)?;
    for (file, definition) in rcni_config::crd::all() {
        std::fs::write(folder.join(file), rcni_config::crd::yaml(&definition)?)?;
    }
    Ok(())
}
