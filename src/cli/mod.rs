//! The command line: one tree, one file a noun. A client of the server but for `serve`, `demo`, `restore`, `doctor`.

mod cluster_step;
mod manifests;
mod rollout;
mod serve;
mod step;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::config::DataDir;

/// Wrong usage, as BSD's sysexits has it.
const USAGE: u8 = 64;

/// Deploy hooks: one secret URL, one POST, one id, one truthful end state.
#[derive(Debug, Parser)]
#[command(name = "stackblaze", version, propagate_version = true)]
struct Cli {
    #[command(flatten)]
    data_dir: DataDir,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server
    Serve(Box<serve::Serve>),
    /// Print what to apply to a Kubernetes cluster
    Manifests(Box<manifests::ManifestsArgs>),
    /// Give a Kubernetes Deployment its new image and wait until it serves; runs as the deploy step of a run
    #[command(hide = true)]
    Rollout(Box<rollout::RolloutArgs>),
    /// A step of a run in a cluster; not for people
    #[command(hide = true)]
    ClusterStep(Box<cluster_step::ClusterStepArgs>),
    /// The parent of a step of a local run; not for people
    #[command(hide = true)]
    Step(step::StepArgs),
}

/// Reads the command line, does what it says, and gives the exit code.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let is_help = !error.use_stderr();
            drop(error.print());
            return if is_help { ExitCode::SUCCESS } else { ExitCode::from(USAGE) };
        }
    };
    // Each test and each tool that builds a command line does it here, so that flags cannot clash unseen.
    debug_assert!({
        Cli::command().debug_assert();
        true
    });
    match cli.command {
        Command::Serve(serve) => serve.run(&cli.data_dir),
        Command::Manifests(manifests) => manifests.run(),
        Command::Rollout(rollout) => rollout.run(),
        Command::ClusterStep(step) => step.run(),
        Command::Step(step) => step.run(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The golden run is what the cluster gets; a variable that no step reads would be a value that silently changes
    /// nothing.
    #[test]
    fn every_variable_of_a_run_is_read_by_its_step() {
        let golden = include_str!("../../tests/data/tekton/pipeline_run.json");
        let command = Cli::command();
        for (path, step) in
            [("cluster-step clone", "clone"), ("cluster-step build", "build"), ("rollout", "rollout")]
        {
            let own = path.split(' ').fold(&command, |command, name| command.find_subcommand(name).unwrap());
            let known: Vec<_> =
                own.get_arguments().filter_map(|argument| argument.get_env()?.to_str()).collect();
            let run: serde_json::Value = serde_json::from_str(golden).unwrap();
            let tasks = run.pointer("/spec/pipelineSpec/tasks").unwrap().as_array().unwrap();
            let steps = tasks.iter().flat_map(|task| task["taskSpec"]["steps"].as_array().unwrap());
            let given =
                steps.filter(|own| own["name"] == step).flat_map(|own| own["env"].as_array().unwrap());
            for variable in given {
                let name = variable["name"].as_str().unwrap();
                assert!(known.contains(&name), "{path} does not read {name}");
            }
        }
    }
}
