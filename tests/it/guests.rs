//! What a test starts ends with it, however the test ends.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;

use crate::harness::guest::Guest;
use crate::harness::process::wait_until;
use crate::local::is_alive;

/// Starts a process beside itself, and says the numbers of both.
const TWO: &str = "sleep 600 & echo $$ $!; wait";
/// What the line with the numbers begins with where another test reads it.
const MARK: &str = "guests: ";

/// A guest of two processes, and their numbers.
fn two() -> (Guest, Vec<String>) {
    let mut command = Command::new("sh");
    let mut guest = Guest::start(command.args(["-c", TWO]).stdout(Stdio::piped()));
    let mut line = String::new();
    BufReader::new(guest.child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let numbers: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
    assert!(numbers.len() == 2 && numbers.iter().all(|number| is_alive(number)), "{line}");
    (guest, numbers)
}

fn are_over(numbers: &[String]) -> bool {
    !numbers.iter().any(|number| is_alive(number))
}

#[test]
fn a_guest_ends_with_its_value_and_what_it_has_started_too() {
    let (guest, numbers) = two();

    drop(guest);

    assert!(are_over(&numbers));
}

#[test]
fn a_guest_ends_where_its_test_panics() {
    let (sender, numbers) = mpsc::channel();

    let test = std::thread::spawn(move || {
        let (_guest, numbers) = two();
        sender.send(numbers).unwrap();
        panic!("on purpose");
    });

    assert!(test.join().is_err() && are_over(&numbers.recv().unwrap()));
}

#[test]
#[ignore = "a part of the next one, which kills it"]
fn it_holds_a_guest() {
    let (_guest, numbers) = two();
    println!("{MARK}{}", numbers.join(" "));
    std::io::stdin().read_line(&mut String::new()).unwrap();
}

#[test]
fn a_guest_ends_where_the_tests_are_killed() {
    let mut tests = Command::new(std::env::current_exe().unwrap());
    tests.args(["--exact", "guests::it_holds_a_guest", "--ignored", "--nocapture"]);
    let mut tests = Guest::start(tests.stdin(Stdio::piped()).stdout(Stdio::piped()));
    let mut lines = BufReader::new(tests.child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let line = lines.find(|line| line.contains(MARK)).unwrap();
    let numbers: Vec<_> = line.split(MARK).nth(1).unwrap().split_whitespace().map(str::to_owned).collect();
    assert!(numbers.len() == 2 && !are_over(&numbers), "{line}");

    tests.child.kill().unwrap();

    wait_until("the end of the guests", || are_over(&numbers));
}

fn files(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() { files(&entry, found) } else { found.push(entry) }
    }
}

#[test]
fn tests_start_processes_as_guests_only() {
    let (folder, mut all) = (Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it"), Vec::new());
    files(&folder, &mut all);
    let starts = concat!(".spawn", "()");

    let starting: Vec<_> =
        all.iter().filter(|file| std::fs::read_to_string(file).unwrap().contains(starts)).collect();

    assert_eq!(starting, [&folder.join("harness/guest.rs")]);
}
