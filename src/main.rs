//! Exit code and tracing; everything else is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    stackblaze::cli::main()
}
