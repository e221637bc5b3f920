//! How much CPU, memory and disk the steps of a run in a cluster ask for and may take, in Kubernetes' own words.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::step::Step;
use super::{Faults, Invalid};

/// What a step can have of each.
const RESOURCES: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];
/// Suffixes of an amount, as Kubernetes writes them.
const SUFFIXES: [&str; 13] = ["Ki", "Mi", "Gi", "Ti", "Pi", "m", "k", "M", "G", "T", "P", "E", ""];
/// Longest amount, in bytes.
const MAX_AMOUNT: usize = 20;

/// Amounts by name, such as `build.limits.memory` and `4Gi`. As in Kubernetes a limit without a request is the request
/// too, and what is not named is as the namespace's `LimitRange` has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepResources(BTreeMap<String, String>);

impl StepResources {
    /// Reads names and amounts.
    ///
    /// # Errors
    /// Names those that are wrong.
    pub fn parse(named: BTreeMap<String, String>) -> Result<Self, Vec<Invalid>> {
        let mut faults = Faults::default();
        for (name, amount) in &named {
            let field = format!("resources.{name}");
            if read_name(name).is_none() {
                let detail = "is STEP.requests.RESOURCE or STEP.limits.RESOURCE, such as build.limits.memory: a step is clone, build or deploy, a resource cpu, memory or ephemeral-storage";
                faults.add(field, detail);
            } else if !is_amount(amount) {
                faults.add(field, "is an amount as Kubernetes writes it: 500m or 2, 512Mi or 4Gi");
            }
        }
        faults.finish(Self(named))
    }

    /// All of them.
    pub const fn named(&self) -> &BTreeMap<String, String> {
        &self.0
    }

    /// Those of one step: `requests` or `limits`, the resource, the amount.
    pub fn of(&self, step: Step) -> impl Iterator<Item = (&str, &str, &str)> {
        self.0.iter().filter_map(move |(name, amount)| {
            let (own, kind, resource) = read_name(name)?;
            (own == step).then_some((kind, resource, amount.as_str()))
        })
    }
}

fn read_name(name: &str) -> Option<(Step, &str, &str)> {
    let mut parts = name.splitn(3, '.');
    // The release command has what its workload has.
    let step = Step::parse(parts.next()?).filter(|step| *step != Step::Release)?;
    let kind = parts.next().filter(|kind| matches!(*kind, "requests" | "limits"))?;
    let resource = parts.next().filter(|resource| RESOURCES.contains(resource))?;
    Some((step, kind, resource))
}

/// A number, which may have decimals, and a suffix.
fn is_amount(text: &str) -> bool {
    let number = SUFFIXES.iter().find_map(|suffix| {
        let number = text.strip_suffix(suffix)?;
        number.bytes().all(|b| b.is_ascii_digit() || b == b'.').then_some(number)
    });
    text.len() <= MAX_AMOUNT
        && number.is_some_and(|number| {
            let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
            [whole, decimals].iter().all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, amount: &str) -> Result<StepResources, Vec<Invalid>> {
        StepResources::parse(BTreeMap::from([(name.to_owned(), amount.to_owned())]))
    }

    #[test]
    fn names_and_amounts_are_those_of_kubernetes() {
        for amount in ["1", "0.5", "500m", "4Gi", "1.5Gi", "128974848", "1k", "3E"] {
            assert!(of("build.limits.memory", amount).is_ok(), "{amount}");
        }
        for amount in ["", "Gi", "-1", "4GiB", "4 Gi", "1.", ".5", "1.2.3", "1e3$", "9999999999999999999999"]
        {
            assert!(of("build.limits.memory", amount).is_err(), "{amount}");
        }
        for name in [
            "",
            "build",
            "build.limits",
            "build.limit.cpu",
            "rollout.limits.cpu",
            "build.limits.gpu",
            "build.limits.cpu.x",
        ] {
            let wrong = of(name, "1").unwrap_err();
            assert_eq!(wrong[0].field, format!("resources.{name}"));
        }
    }

    #[test]
    fn each_step_has_its_own() {
        let named =
            [("build.limits.memory", "4Gi"), ("build.requests.cpu", "500m"), ("clone.limits.cpu", "1")];
        let all = named.map(|(name, amount)| (name.to_owned(), amount.to_owned())).into();
        let resources = StepResources::parse(all).unwrap();

        assert_eq!(
            resources.of(Step::Build).collect::<Vec<_>>(),
            [("limits", "memory", "4Gi"), ("requests", "cpu", "500m")]
        );
        assert_eq!(resources.of(Step::Deploy).count(), 0);
    }
}
