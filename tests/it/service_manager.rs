//! What a service manager such as systemd hears of the server it has started.

use std::collections::HashSet;
use std::os::unix::net::UnixDatagram;

use tempfile::TempDir;

use crate::harness::process::{PATIENCE, Server, serve};

/// The socket that a service manager listens on.
struct Manager(UnixDatagram);

impl Manager {
    /// What it hears next.
    fn hears(&self) -> String {
        let mut text = [0; 256];
        let length = self.0.recv(&mut text).expect("it says something");
        String::from_utf8_lossy(&text[..length]).trim().to_owned()
    }

    /// Listens until it hears `last`, and gives what came before.
    fn hears_until(&self, last: &str) -> HashSet<String> {
        let mut before = HashSet::new();
        loop {
            let heard = self.hears();
            if heard == last {
                return before;
            }
            before.insert(heard);
        }
    }
}

#[test]
fn a_service_manager_hears_when_the_server_is_ready_that_it_lives_and_that_it_stops() {
    let (data, run) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let socket = run.path().join("notify");
    let manager = Manager(UnixDatagram::bind(&socket).unwrap());
    manager.0.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut command = serve(data.path(), &[]);
    command.env("NOTIFY_SOCKET", &socket).env("WATCHDOG_USEC", "20000");
    let mut server = Server::from_command(command, data.path());

    assert_eq!(manager.hears_until("READY=1"), HashSet::new(), "nothing comes before");
    for _ in 0..3 {
        assert_eq!(manager.hears(), "WATCHDOG=1");
    }
    server.signal("TERM");
    let before = manager.hears_until("STOPPING=1");
    assert!(before.iter().all(|heard| heard == "WATCHDOG=1"), "{before:?}");
    assert!(server.wait().success());
}

#[test]
fn without_a_watchdog_nobody_is_told_of_life() {
    let (data, run) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let socket = run.path().join("notify");
    let manager = Manager(UnixDatagram::bind(&socket).unwrap());
    manager.0.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut command = serve(data.path(), &[]);
    command.env("NOTIFY_SOCKET", &socket).env_remove("WATCHDOG_USEC");
    let mut server = Server::from_command(command, data.path());

    assert_eq!(manager.hears(), "READY=1");
    server.signal("TERM");
    assert_eq!(manager.hears(), "STOPPING=1");
    assert!(server.wait().success());
}
