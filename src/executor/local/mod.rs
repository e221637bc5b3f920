//! Runs the three steps as process groups on the server's own host.
