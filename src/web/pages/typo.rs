//! Parameters that meant nothing, and what their caller may have had in mind.

use crate::domain::Deployment;

/// Parameters that a call may have; a near miss of one is asked about.
const PARAMETERS: [&str; 4] = ["branch", "commit", "clear_cache", "dry_run"];

/// The parameters that meant nothing, each with the known one that its caller may have had in mind.
pub(super) fn ignored(deployment: &Deployment, may_see: bool) -> Vec<(String, Option<&'static str>)> {
    let meant = |given: &String| PARAMETERS.into_iter().find(|known| is_near(given, known));
    let given = deployment.ignored_parameters.iter().filter(|_| may_see);
    given.map(|given| (given.clone(), meant(given))).collect()
}

/// Tells whether two names differ in case, in `-` for `_`, or by one character left out, added or wrong.
fn is_near(given: &str, known: &str) -> bool {
    let given: Vec<char> = given.to_lowercase().replace('-', "_").chars().collect();
    let known: Vec<char> = known.chars().collect();
    let head = given.iter().zip(&known).take_while(|(a, b)| a == b).count();
    let ends = given[head..].iter().rev().zip(known[head..].iter().rev());
    let tail = ends.take_while(|(a, b)| a == b).count();
    given.len().max(known.len()) - head - tail <= 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_miss_of_a_parameter_is_asked_about() {
        for (given, meant) in [
            ("brach", Some("branch")),
            ("Branch", Some("branch")),
            ("branches", None),
            ("clear-cache", Some("clear_cache")),
            ("clearcache", Some("clear_cache")),
            ("comit", Some("commit")),
            ("x", None),
            ("", None),
        ] {
            let found = PARAMETERS.into_iter().find(|known| is_near(given, known));
            assert_eq!(found, meant, "{given}");
        }
    }
}
