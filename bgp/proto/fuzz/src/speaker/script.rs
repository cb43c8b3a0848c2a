//! The fuzzer's octets as a script: taken from the front, zeros when they have run out.

/// What is left of the script.
pub struct Script<'a> {
    rest: &'a [u8],
}

impl<'a> Script<'a> {
    /// All of it.
    pub fn new(data: &'a [u8]) -> Self {
        Self { rest: data }
    }

    /// The next step, if there is one.
    pub fn step(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    /// One octet.
    pub fn byte(&mut self) -> u8 {
        self.step().unwrap_or_default()
    }

    /// Two octets, big endian.
    pub fn word(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    /// As many octets as the next two say, or as there are.
    pub fn bytes(&mut self) -> &'a [u8] {
        let length = usize::from(self.word()).min(self.rest.len());
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        taken
    }
}
