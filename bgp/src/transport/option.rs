//! Socket options that no crate has: the only calls of `setsockopt` and `getsockopt`.

use std::io;
use std::net::IpAddr;
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

/// A structure of the kernel's, filled field by field.
pub struct Structure<const SIZE: usize>([u8; SIZE]);

impl<const SIZE: usize> Structure<SIZE> {
    /// All zero but the `sockaddr_storage` that it begins with: this address, and no port.
    #[must_use]
    pub fn about(address: IpAddr) -> Self {
        let family = if address.is_ipv4() {
            libc::AF_INET
        } else {
            libc::AF_INET6
        };
        let family = libc::sa_family_t::try_from(family).unwrap_or_default();
        let structure = Self([0; SIZE]).put(0, &family.to_ne_bytes());
        match address {
            IpAddr::V4(address) => structure.put(4, &address.octets()),
            IpAddr::V6(address) => structure.put(8, &address.octets()),
        }
    }

    /// Writes a field; what would reach over the end is left out.
    #[must_use]
    pub fn put(mut self, at: usize, bytes: &[u8]) -> Self {
        if let Some(room) = self.0.get_mut(at..at + bytes.len()) {
            room.copy_from_slice(bytes);
        }
        self
    }

    /// For [`set_bytes`].
    #[must_use]
    pub fn into_bytes(self) -> [u8; SIZE] {
        self.0
    }
}
