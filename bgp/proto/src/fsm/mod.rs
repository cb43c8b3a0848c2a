//! The state machines: connection (one TCP connection) and peer (at most two of them).
