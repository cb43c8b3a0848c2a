//! The routing information bases: Adj-RIB-In, decision, Loc-RIB, Adj-RIB-Out.
