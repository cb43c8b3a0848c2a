//! placeholder
/// x
pub const LAB: &str = "demo";
/// x
/// # Errors
/// x
pub fn run(_keep: bool) -> anyhow::Result<std::process::ExitCode> { anyhow::bail!("x") }
