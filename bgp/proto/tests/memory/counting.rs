//! An allocator that counts.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

/// Octets in use.
pub(crate) fn live() -> usize {
    LIVE.load(Ordering::Relaxed)
}

/// The most there were since [`restart`].
pub(crate) fn most() -> usize {
    MOST.load(Ordering::Relaxed)
}

/// Begins to look for the most; returns what is in use.
pub(crate) fn restart() -> usize {
    MOST.store(live(), Ordering::Relaxed);
    live()
}

fn add(octets: usize) {
    let live = LIVE.fetch_add(octets, Ordering::Relaxed) + octets;
    MOST.fetch_max(live, Ordering::Relaxed);
}

// SAFETY: all is done by the system's allocator, as it was asked for.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(place, layout) }
    }
}
