//! From the queue to a final word, whatever happens in between.

mod cluster;
mod ends;
mod order;
mod restart;
mod stops;
