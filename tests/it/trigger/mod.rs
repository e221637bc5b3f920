//! A POST to a hook URL: what it takes, what it answers, and in which order it refuses.

mod answers;
mod bodies;
mod budgets;
mod calls;
mod dry_run;
mod idempotency;
mod images;
mod methods;
mod order;
mod parameters;
mod queue;
mod revoke;
mod rotation;
mod rules;
