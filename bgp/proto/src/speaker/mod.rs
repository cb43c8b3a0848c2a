//! The speaker: owner of peers and RIBs; all inputs go in here, all outputs come out.
