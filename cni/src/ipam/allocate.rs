//! Giving out and taking back, under the lock.
//!
//! Order of writes, so that a process killed anywhere leaves what the next DEL finds:
//! record (which addresses are about to be reserved), reservations (O_EXCL), last given out.
//! Taking back goes the other way: reservations, then the record.

use std::net::IpAddr;

use super::range::RangeSet;
use super::store::owner_text;
use super::{IpamError, Locked, Record};
use crate::naming::Attachment;

/// Somebody who ignores the lock took the address between our look and our O_EXCL: how often that
/// may happen in one ADD.
const RACES_MAX: usize = 16;

impl Locked<'_> {
    /// Reserves one address of each set: a wanted one where `wanted` names one of that set, else the
    /// next free one behind the last given out.
    ///
    /// # Errors
    /// If a set is exhausted, a wanted address is taken, outside or the second of its set, the
    /// attachment has addresses already, or a file cannot be written. Nothing stays reserved then.
    pub fn allocate(
        &self,
        attachment: &Attachment,
        pod: &str,
        sets: &[RangeSet],
        wanted: &[IpAddr],
    ) -> Result<Vec<IpAddr>, IpamError> {
        self.refuse_second(attachment)?;
        if let Some(outside) = wanted
            .iter()
            .find(|address| !sets.iter().any(|set| set.offers(**address)))
        {
            return Err(IpamError::OutsideRanges(*outside));
        }
        for _ in 0..RACES_MAX {
            let addresses = self.choose(sets, wanted)?;
            if self.reserve_all(attachment, pod, &addresses)? {
                return Ok(addresses);
            }
        }
        Err(IpamError::Busy {
            path: self.store.folder().to_owned(),
            waited_secs: 0,
        })
    }

    /// Frees what the attachment holds, and nothing else. Doing it again does no harm.
    ///
    /// # Errors
    /// Every file that could not be read or deleted; the rest was done all the same.
    pub fn release(&self, attachment: &Attachment) -> Result<Vec<IpAddr>, Vec<IpamError>> {
        let mut errors = Vec::new();
        let recorded = match self.store.record(attachment) {
            Ok(record) => record,
            Err(error) => {
                errors.push(error);
                None
            }
        };
        let held = match recorded {
            Some(record) => self.still_held(attachment, &record),
            None => self.search(attachment),
        };
        let held = held.unwrap_or_else(|error| {
            errors.push(error);
            Vec::new()
        });
        for address in &held {
            errors.extend(self.store.free(*address).err());
        }
        if errors.is_empty() {
            // Last: as long as a reservation may be left, the record leads the next DEL to it.
            errors.extend(self.store.remove_record(attachment).err());
        }
        if errors.is_empty() {
            Ok(held)
        } else {
            Err(errors)
        }
    }

    fn refuse_second(&self, attachment: &Attachment) -> Result<(), IpamError> {
        let Some(record) = self.store.record(attachment)? else {
            return Ok(());
        };
        let held = self.still_held(attachment, &record)?;
        if held.is_empty() {
            return Ok(());
        }
        let addresses: Vec<String> = held.iter().map(IpAddr::to_string).collect();
        Err(IpamError::AlreadyAttached {
            attachment: attachment.to_string(),
            addresses: addresses.join(", "),
        })
    }

    /// Those of a record's addresses whose reservation is this attachment's. An empty reservation
    /// that our record names is ours too: we died between making and writing it.
    fn still_held(
        &self,
        attachment: &Attachment,
        record: &Record,
    ) -> Result<Vec<IpAddr>, IpamError> {
        let mine = owner_text(attachment);
        let mut held = Vec::new();
        for address in &record.addresses {
            let owner = self.store.owner(*address)?;
            if owner.is_some_and(|owner| owner.is_empty() || owner == mine) {
                held.push(*address);
            }
        }
        Ok(held)
    }

    /// Without a record the reservation is host-local's, or there is none: read them all, as
    /// host-local does. Its oldest layout has no interface name; that counts if nothing else fits.
    fn search(&self, attachment: &Attachment) -> Result<Vec<IpAddr>, IpamError> {
        let all = self.store.reservations()?;
        let of = |owner: &str| -> Vec<IpAddr> {
            all.iter()
                .filter(|reservation| reservation.owner == owner)
                .map(|reservation| reservation.address)
                .collect()
        };
        let held = of(&owner_text(attachment));
        if held.is_empty() {
            return Ok(of(attachment.container_id()));
        }
        Ok(held)
    }

    fn choose(&self, sets: &[RangeSet], wanted: &[IpAddr]) -> Result<Vec<IpAddr>, IpamError> {
        let chosen = sets
            .iter()
            .enumerate()
            .map(|(at, set)| self.choose_one(at, set, wanted))
            .collect::<Result<Vec<_>, _>>()?;
        match wanted.iter().find(|address| !chosen.contains(address)) {
            Some(surplus) => Err(IpamError::Surplus(*surplus)),
            None => Ok(chosen),
        }
    }

    fn choose_one(
        &self,
        at: usize,
        set: &RangeSet,
        wanted: &[IpAddr],
    ) -> Result<IpAddr, IpamError> {
        if let Some(address) = wanted.iter().find(|address| set.offers(**address)) {
            return if self.store.is_reserved(*address) {
                Err(IpamError::Taken(*address))
            } else {
                Ok(*address)
            };
        }
        set.candidates(self.store.last_reserved(at))
            .find(|address| !self.store.is_reserved(*address))
            .ok_or_else(|| IpamError::Exhausted {
                ranges: set.to_string(),
                tried: set.candidates(None).count() as u64,
                folder: self.store.folder().to_owned(),
            })
    }

    /// False if somebody took one of them meanwhile; nothing stays reserved then.
    fn reserve_all(
        &self,
        attachment: &Attachment,
        pod: &str,
        addresses: &[IpAddr],
    ) -> Result<bool, IpamError> {
        let record = Record {
            version: 1,
            container_id: attachment.container_id().to_owned(),
            ifname: attachment.ifname().to_owned(),
            host_interface: attachment.host_interface(),
            pod: pod.to_owned(),
            addresses: addresses.to_vec(),
        };
        let outcome = self
            .store
            .write_record(attachment, &record)
            .and_then(|()| self.reserve_each(attachment, addresses));
        if !matches!(outcome, Ok(true)) {
            // Our own, and only our own: `release` reads who owns what.
            let _ = self.release(attachment);
            let _ = self.store.remove_record(attachment);
        }
        outcome
    }

    fn reserve_each(
        &self,
        attachment: &Attachment,
        addresses: &[IpAddr],
    ) -> Result<bool, IpamError> {
        for (at, address) in addresses.iter().enumerate() {
            if !self.store.reserve(*address, attachment)? {
                return Ok(false);
            }
            self.store.set_last_reserved(at, *address)?;
        }
        Ok(true)
    }
}
