//! What the run ran on: hardware and systems, nothing that tells whose machine it is.

use std::fs::read_to_string;

use anyhow::{Context, Result};

/// One line: processor, cores, memory, kernel, distribution.
///
/// # Errors
/// /proc is not as it always is.
pub fn describe() -> Result<String> {
    let cpu = read_to_string("/proc/cpuinfo").context("/proc/cpuinfo")?;
    let memory = read_to_string("/proc/meminfo").context("/proc/meminfo")?;
    let kernel = read_to_string("/proc/sys/kernel/osrelease").context("kernel release")?;
    let release = read_to_string("/etc/os-release").unwrap_or_default();
    let model = field(&cpu, "model name", ':').unwrap_or(std::env::consts::ARCH);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let kib = field(&memory, "MemTotal", ':').and_then(|text| text.strip_suffix("kB"));
    let kib: f64 = kib.context("MemTotal")?.trim().parse()?;
    let system = field(&release, "PRETTY_NAME", '=').unwrap_or("unknown distribution");
    let (gib, kernel) = (kib / 1024.0 / 1024.0, kernel.trim());
    let system = system.trim_matches('"');
    Ok(format!(
        "{model}, {cores} cores, {gib:.0} GiB; Linux {kernel}; {system}"
    ))
}

/// Average number of running processes in the last minute: high before a run means that its
/// times are not worth much.
///
/// # Errors
/// /proc is not as it always is.
pub fn load() -> Result<String> {
    let text = read_to_string("/proc/loadavg").context("/proc/loadavg")?;
    let first = text.split_ascii_whitespace().next();
    first.map(ToOwned::to_owned).context("/proc/loadavg")
}

fn field<'t>(text: &'t str, name: &str, separator: char) -> Option<&'t str> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(separator)?;
        (key.trim() == name).then(|| value.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_is_described_without_its_name() {
        let text = describe().unwrap();
        assert!(text.contains("cores") && text.contains("Linux"), "{text}");
        let name = nix::unistd::gethostname().unwrap();
        let name = name.to_string_lossy();
        // A name that is part of a word proves nothing.
        let words: Vec<&str> = text.split([' ', ',', ';']).collect();
        assert!(!words.contains(&&*name), "{text}");
        load().unwrap().parse::<f64>().unwrap();
    }
}
