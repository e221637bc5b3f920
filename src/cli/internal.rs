//! Parts of our own runs, which are processes of this program. They begin with each step of each run, so they do not wait
//! until the command line of people is built.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use super::failure::USAGE;
use super::{rollout, run_step, step};

/// Not for people.
#[derive(Debug, Parser)]
#[command(name = "stackblaze", version)]
pub(super) struct Internal {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Give workloads their new image and wait until they serve: the deploy step of a run
    Rollout(Box<rollout::RolloutArgs>),
    /// Put back what a failed deploy step left half done: the last step of a run
    PutBack(Box<rollout::PutBackArgs>),
    /// A step of a run in a cluster, and the first one of a local run
    RunStep(Box<run_step::RunStepArgs>),
    /// The parent of a step of a local run
    Step(step::StepArgs),
}

/// Does what one of these commands says; none where the arguments are a person's.
pub(super) fn main(arguments: &[OsString]) -> Option<ExitCode> {
    let word = arguments.get(1)?.to_str()?;
    if !["rollout", "put-back", "run-step", "step"].contains(&word) {
        return None;
    }
    let internal = match Internal::try_parse_from(arguments) {
        Ok(internal) => internal,
        Err(error) => {
            drop(error.print());
            return Some(ExitCode::from(if error.use_stderr() { USAGE } else { 0 }));
        }
    };
    Some(match internal.command {
        Command::Rollout(rollout) => rollout.run(),
        Command::PutBack(put_back) => put_back.run(),
        Command::RunStep(step) => step.run(),
        Command::Step(step) => step.run(),
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    /// The golden run is what the cluster gets; a variable that no step reads would be a value that silently changes
    /// nothing.
    #[test]
    fn every_variable_of_a_run_is_read_by_its_step() {
        let plain = include_str!("../../tests/data/tekton/pipeline_run.json");
        let release = include_str!("../../tests/data/tekton/pipeline_run_release.json");
        let command = Internal::command();
        command.clone().debug_assert();
        for (path, step, golden) in [
            ("run-step clone", "clone", plain),
            ("run-step build", "build", plain),
            ("run-step release", "release", release),
            ("rollout", "rollout", plain),
            ("put-back", "put-back", release),
        ] {
            let own = path.split(' ').fold(&command, |command, name| command.find_subcommand(name).unwrap());
            let known: Vec<_> =
                own.get_arguments().filter_map(|argument| argument.get_env()?.to_str()).collect();
            let run: serde_json::Value = serde_json::from_str(golden).unwrap();
            let of = |list: &str| run["spec"]["pipelineSpec"][list].as_array().unwrap().iter();
            let tasks = of("tasks").chain(of("finally"));
            let steps = tasks.flat_map(|task| task["taskSpec"]["steps"].as_array().unwrap());
            let given =
                steps.filter(|own| own["name"] == step).flat_map(|own| own["env"].as_array().unwrap());
            for variable in given {
                let name = variable["name"].as_str().unwrap();
                let is_read = known.contains(&name) || name.to_lowercase().ends_with("_proxy");
                assert!(is_read, "{path} does not read {name}");
            }
        }
    }
}
