//! From the POST to what serves: the server as `stackblaze manifests` installs it, in a pod of the full test cluster.

mod burst;
mod helm;
mod hooks;
mod place;
mod quick_start;
mod restore;
