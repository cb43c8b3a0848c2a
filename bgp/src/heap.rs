//! How the C library keeps memory.

/// One heap for all threads, to be called before there is a second one.
///
/// The C library would give each thread a heap of its own. Attributes are made on the wire's and kept by
/// the core, route changes made by the core and let go by the side: each heap has holes that the others
/// cannot use, a tenth of all memory with 100,000 routes. The threads hardly ever meet at the one heap, since
/// each has a cache of small pieces.
pub fn share() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        // SAFETY: changes a setting of the allocator; no other thread runs yet.
        let done = unsafe { libc::mallopt(libc::M_ARENA_MAX, 1) };
        // It only costs memory.
        let _ = done;
    }
}
