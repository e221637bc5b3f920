//! How much each caller may have at once or in a time: calls of a hook, passwords tried, streams held open.

pub(super) mod budgets;
pub(super) mod sign_ins;
pub(super) mod streams;
