//! From the queue to a final word, whatever happens in between.

mod ends;
mod order;
mod restart;
mod stops;
