//! `stackblaze completions SHELL`.

use clap::Args;
use clap_complete::Shell;

use super::output::write_out;

/// Print the completion script of a shell
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  stackblaze completions bash \\
      > ~/.local/share/bash-completion/completions/stackblaze
  stackblaze completions zsh > \"${fpath[1]}/_stackblaze\"
  stackblaze completions fish > ~/.config/fish/completions/stackblaze.fish")]
pub(super) struct Completions {
    /// Which shell
    shell: Shell,
}

impl Completions {
    pub(super) fn run(&self, mut command: clap::Command) {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command, "stackblaze", &mut script);
        write_out(&script);
    }
}
