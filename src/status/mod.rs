//! What real databases and their tenants look like now: `status` and `tenants`. Read-only.

pub(crate) mod known;
pub(crate) mod listing;
pub(crate) mod same_shape;
pub(crate) mod status;

pub(crate) use listing::{Found, Listed, Listing, tenants};
pub(crate) use status::{Inquiry, status};
