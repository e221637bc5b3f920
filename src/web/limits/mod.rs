//! How much each caller may have at once or in a time: calls of a hook, changes by a token, passwords
//! tried, streams held open.

pub(super) mod budgets;
pub(super) mod rate;
pub(super) mod sign_ins;
pub(super) mod streams;
