//! The five messages: what the wire said, no judgement about its meaning.

mod open;
pub mod pack;
mod update;

use bytes::{BufMut, Bytes, BytesMut};

pub use open::Open;
pub use pack::{
    EncodedAttributes, announce, can_carry, end_of_rib, pack_announcements, pack_withdrawals,
    withdraw,
};
pub(crate) use update::put_attribute;
pub use update::{RawAttribute, Update};

use crate::Notification;
use crate::error::EncodeError;
use crate::iana::{Family, error_code, message_type, route_refresh_subcode};
use crate::validate::SessionOptions;
use crate::wire::{Frame, HEADER_LEN, MAX_MESSAGE_LEN};

/// One BGP message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// RFC 4271 §4.2.
    Open(Open),
    /// RFC 4271 §4.3.
    Update(Update),
    /// RFC 4271 §4.5.
    Notification(Notification),
    /// RFC 4271 §4.4.
    Keepalive,
    /// RFC 2918 §3.
    RouteRefresh(RouteRefresh),
}

/// A ROUTE-REFRESH message (RFC 2918 §3, RFC 7313 §3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteRefresh {
    /// The family that is asked for.
    pub family: Family,
    /// 0 request, 1 beginning, 2 end of the refresh; others are to be ignored (RFC 7313 §5).
    pub subtype: u8,
}

/// Decodes the body of a message whose header [`crate::wire::Framer`] has checked.
///
/// # Errors
/// The NOTIFICATION to send before closing the connection.
#[expect(
    clippy::needless_pass_by_value,
    reason = "a frame is spent when it is decoded"
)]
pub fn decode(frame: Frame, opts: &SessionOptions) -> Result<Message, Notification> {
    match frame.kind {
        message_type::OPEN => Open::decode(&frame.body).map(Message::Open),
        message_type::UPDATE => Update::decode(&frame.body, opts).map(Message::Update),
        message_type::NOTIFICATION => decode_notification(&frame).map(Message::Notification),
        message_type::KEEPALIVE => Ok(Message::Keepalive),
        message_type::ROUTE_REFRESH => {
            decode_route_refresh(&frame, opts).map(Message::RouteRefresh)
        }
        other => Err(Notification::bad_type(other)),
    }
}

fn decode_notification(frame: &Frame) -> Result<Notification, Notification> {
    match *frame.body {
        [code, subcode, ..] => Ok(Notification {
            code,
            subcode,
            data: frame.body.slice(2..),
        }),
        _ => Err(Notification::bad_length(frame.wire_len())),
    }
}

/// RFC 7313 §5: with enhanced route refresh a wrong length has its own error code, whose data is
/// the whole message.
fn decode_route_refresh(
    frame: &Frame,
    opts: &SessionOptions,
) -> Result<RouteRefresh, Notification> {
    if let [high, low, subtype, safi] = *frame.body {
        let family = Family {
            afi: u16::from_be_bytes([high, low]),
            safi,
        };
        return Ok(RouteRefresh { family, subtype });
    }
    if !opts.enhanced_route_refresh {
        return Err(Notification::bad_length(frame.wire_len()));
    }
    let mut message = BytesMut::with_capacity(usize::from(frame.wire_len()));
    put_header(message_type::ROUTE_REFRESH, &mut message);
    message.put_slice(&frame.body);
    patch_length(0, &mut message);
    // The NOTIFICATION has two octets more than the message that it quotes.
    message.truncate(MAX_MESSAGE_LEN - HEADER_LEN - 2);
    Err(Notification::new(
        error_code::ROUTE_REFRESH,
        route_refresh_subcode::INVALID_LENGTH,
        message.freeze(),
    ))
}

/// Appends a whole message to `out`.
///
/// # Errors
/// If it does not fit the session's maximum message length; `out` is unchanged then.
pub fn encode(msg: &Message, opts: &SessionOptions, out: &mut BytesMut) -> Result<(), EncodeError> {
    let start = out.len();
    let result = encode_unchecked(msg, opts, out);
    let length = out.len() - start;
    let max = match msg {
        Message::Open(_) | Message::Keepalive => MAX_MESSAGE_LEN,
        _ => opts.max_message_len(),
    };
    let result = result.and(if length > max {
        Err(EncodeError::MessageTooLong { length, max })
    } else {
        Ok(())
    });
    match result {
        Ok(()) => patch_length(start, out),
        Err(_) => out.truncate(start),
    }
    result
}

fn encode_unchecked(
    msg: &Message,
    opts: &SessionOptions,
    out: &mut BytesMut,
) -> Result<(), EncodeError> {
    match msg {
        Message::Open(open) => {
            put_header(message_type::OPEN, out);
            open.put_body(out)?;
        }
        Message::Update(update) => {
            put_header(message_type::UPDATE, out);
            update.put_body(opts, out);
        }
        Message::Notification(notification) => {
            put_header(message_type::NOTIFICATION, out);
            out.put_u8(notification.code);
            out.put_u8(notification.subcode);
            out.put_slice(&notification.data);
        }
        Message::Keepalive => put_header(message_type::KEEPALIVE, out),
        Message::RouteRefresh(refresh) => put_route_refresh(*refresh, out),
    }
    Ok(())
}

/// A KEEPALIVE message.
#[must_use]
pub fn keepalive() -> Bytes {
    let mut out = BytesMut::with_capacity(HEADER_LEN);
    put_header(message_type::KEEPALIVE, &mut out);
    patch_length(0, &mut out);
    out.freeze()
}

/// A ROUTE-REFRESH message; `subtype` from [`refresh_subtype`](crate::iana::refresh_subtype).
#[must_use]
pub fn route_refresh(family: Family, subtype: u8) -> Bytes {
    let mut out = BytesMut::with_capacity(HEADER_LEN + 4);
    put_route_refresh(RouteRefresh { family, subtype }, &mut out);
    patch_length(0, &mut out);
    out.freeze()
}

fn put_route_refresh(refresh: RouteRefresh, out: &mut BytesMut) {
    put_header(message_type::ROUTE_REFRESH, out);
    out.put_u16(refresh.family.afi);
    out.put_u8(refresh.subtype);
    out.put_u8(refresh.family.safi);
}

/// A NOTIFICATION message; data beyond the 4096 octets that every session allows is cut.
#[must_use]
pub fn notification(notification: &Notification) -> Bytes {
    let room = MAX_MESSAGE_LEN - HEADER_LEN - 2;
    let data = notification.data.get(..room).unwrap_or(&notification.data);
    let mut out = BytesMut::with_capacity(HEADER_LEN + 2 + data.len());
    put_header(message_type::NOTIFICATION, &mut out);
    out.put_u8(notification.code);
    out.put_u8(notification.subcode);
    out.put_slice(data);
    patch_length(0, &mut out);
    out.freeze()
}

/// Marker, a length of zero that [`patch_length`] fills in, type.
pub(crate) fn put_header(kind: u8, out: &mut BytesMut) {
    out.put_bytes(0xff, 16);
    out.put_u16(0);
    out.put_u8(kind);
}

/// Fills in the length of the message that starts at `start` and ends with the buffer.
pub(crate) fn patch_length(start: usize, out: &mut BytesMut) {
    let length = u16::try_from(out.len() - start).unwrap_or(u16::MAX);
    if let Some(field) = out.get_mut(start + 16..start + 18) {
        field.copy_from_slice(&length.to_be_bytes());
    }
}
