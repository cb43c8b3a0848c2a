//! How waiters that collided are kept from colliding again.

use std::time::{SystemTime, UNIX_EPOCH};

/// 0.5 to 1.5, so that many waiters do not wake up together. The clock's nanoseconds are random
/// enough for that.
pub(crate) fn jitter() -> f64 {
    let nanos = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.subsec_nanos());
    0.5 + f64::from(nanos.wrapping_mul(2_654_435_761) >> 8) / f64::from(1_u32 << 24)
}
