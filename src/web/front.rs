//! Our accept loop: limits and guards before poem.
