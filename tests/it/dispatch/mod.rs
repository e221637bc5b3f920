//! From the queue to a final word, whatever happens in between.

mod cluster;
mod ends;
mod found;
mod open_runs;
mod order;
mod releases;
mod restart;
mod settling;
mod stops;
