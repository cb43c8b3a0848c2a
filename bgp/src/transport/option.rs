//! Socket options that no crate has: the only calls of `setsockopt` and `getsockopt`.

use std::io;
use std::os::fd::AsRawFd;

use libc::{c_int, socklen_t};

/// Sets an option to these bytes.
///
/// # Errors
/// The kernel's.
pub fn set_bytes(socket: &impl AsRawFd, level: c_int, name: c_int, value: &[u8]) -> io::Result<()> {
    let length = socklen_t::try_from(value.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: the descriptor is open as long as `socket` is borrowed, and the kernel reads `length`
    // bytes from a buffer that has as many.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            value.as_ptr().cast(),
            length,
        )
    };
    if result == 0 {
        return Ok(());
    }
    Err(io::Error::last_os_error())
}

/// Sets an option to a number.
///
/// # Errors
/// The kernel's.
pub fn set(socket: &impl AsRawFd, level: c_int, name: c_int, value: c_int) -> io::Result<()> {
    set_bytes(socket, level, name, &value.to_ne_bytes())
}

/// Reads an option into `buffer`; how much of it was filled.
///
/// # Errors
/// The kernel's.
pub fn get_bytes<'b>(
    socket: &impl AsRawFd,
    level: c_int,
    name: c_int,
    buffer: &'b mut [u8],
) -> io::Result<&'b [u8]> {
    let mut length = socklen_t::try_from(buffer.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: the descriptor is open as long as `socket` is borrowed, and the kernel writes at most
    // `length` bytes into a buffer that has as many, and then says how many.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            level,
            name,
            buffer.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    let filled = usize::try_from(length).unwrap_or_default();
    Ok(buffer.get(..filled).unwrap_or_default())
}

/// Reads a number.
///
/// # Errors
/// The kernel's.
pub fn get(socket: &impl AsRawFd, level: c_int, name: c_int) -> io::Result<c_int> {
    let mut buffer = [0; size_of::<c_int>()];
    get_bytes(socket, level, name, &mut buffer)?;
    Ok(c_int::from_ne_bytes(buffer))
}
