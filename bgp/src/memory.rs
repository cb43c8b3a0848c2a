//! Memory that is not for routes.

use std::io;

/// One heap for all threads, to be called before there is a second one.
///
/// The C library would give each thread a heap of its own. Attributes are made on the wire's and kept by
/// the core, route changes made by the core and let go by the side: each heap has holes that the others
/// cannot use, a tenth of all memory with 100,000 routes. The threads hardly ever meet at the one heap, since
/// each has a cache of small pieces.
pub fn share_heap() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        // SAFETY: changes a setting of the allocator; no other thread runs yet.
        let done = unsafe { libc::mallopt(libc::M_ARENA_MAX, 1) };
        // Without it, it is only more memory.
        let _ = done;
    }
}

/// Gives the pages of the program back that only a start needs: the command line and the file's readers
/// are most of it. What is needed again comes back from the page cache, some microseconds for 64 KiB.
///
/// # Errors
/// The kernel's; nothing has changed then.
pub fn forget_start() -> io::Result<()> {
    let program = std::fs::read_link("/proc/self/exe")?;
    let maps = std::fs::read_to_string("/proc/self/maps")?;
    advise(
        &text_of(&maps, &program.to_string_lossy()),
        libc::MADV_DONTNEED,
    )
}

/// `advice` must not change what a mapping holds.
fn advise(code: &[(usize, usize)], advice: libc::c_int) -> io::Result<()> {
    for (start, length) in code.iter().copied() {
        // SAFETY: a mapping of the program's file that nobody can write to (the kernel has just said so):
        // what is read from it afterwards is the same.
        let done =
            unsafe { libc::madvise(std::ptr::without_provenance_mut(start), length, advice) };
        if done != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Start and length of the mappings in `/proc/PID/maps` that are code of `program` and nothing else.
fn text_of(maps: &str, program: &str) -> Vec<(usize, usize)> {
    let text = maps.lines().filter_map(|line| {
        // 7f00-7fff r-xp 000ea000 fe:00 1033 /path
        let mut fields = line.splitn(6, ' ');
        let (start, end) = fields.next()?.split_once('-')?;
        let is_code = fields.next()? == "r-xp";
        let path = fields.nth(3)?.trim_start();
        let [start, end] = [start, end].map(|text| usize::from_str_radix(text, 16).ok());
        let length = end?.checked_sub(start?)?;
        (is_code && path == program).then_some((start?, length))
    });
    text.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_programs_code_is_found() {
        let maps = "\
7f0281000000-7f02810eb000 r--p 00000000 fe:00 10332099                   /usr/bin/rcni-bgp
7f02810eb000-7f0281616000 r-xp 000ea000 fe:00 10332099                   /usr/bin/rcni-bgp
7f0281616000-7f0281620000 rw-p 00615000 fe:00 10332099                   /usr/bin/rcni-bgp
7f0281700000-7f0281800000 r-xp 00000000 fe:00 10332100                   /lib/libc.so.6
7f0281900000-7f0281901000 r-xp 00000000 00:00 0 
7ffc2b5f2000-7ffc2b5f4000 r-xp 00000000 00:00 0                          [vdso]
";
        let found = text_of(maps, "/usr/bin/rcni-bgp");
        assert_eq!(found, [(0x7f02_810e_b000, 0x52_b000)]);
        assert!(text_of("nonsense\n-\nx-y r-xp\n", "").is_empty());
    }

    #[test]
    fn the_program_goes_on_with_less() {
        let program = std::fs::read_link("/proc/self/exe").unwrap();
        let resident = || {
            let text = std::fs::read_to_string("/proc/self/smaps").unwrap();
            let mut lines = text.lines();
            let code =
                |line: &str| line.contains("r-xp") && line.ends_with(&*program.to_string_lossy());
            lines.find(|line| code(line)).unwrap();
            let line = lines.find_map(|line| line.strip_prefix("Rss:")).unwrap();
            let kib: u64 = line
                .trim()
                .strip_suffix("kB")
                .unwrap()
                .trim()
                .parse()
                .unwrap();
            kib
        };
        // All of it, as far as that: what a test has needed so far is hardly anything.
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let code = text_of(&maps, &program.to_string_lossy());
        advise(&code, libc::MADV_POPULATE_READ).unwrap();
        let before = resident();
        forget_start().unwrap();
        let after = resident();
        assert!(after < before / 2, "{before} KiB, {after} KiB");
    }
}
