//! What every node of a cluster answers: pings, remote calls.

pub(crate) mod calls;
pub(crate) mod exports;
pub(crate) mod net_kernel;
pub(crate) mod rex;
pub(crate) mod spawn;
