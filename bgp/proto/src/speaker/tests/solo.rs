//! One speaker against bytes: the NOTIFICATIONs of RFC 4271 §6 and RFC 6608.
