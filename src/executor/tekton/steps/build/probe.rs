//! What is built where nothing is to be deployed: a program that needs nothing, copied and run.

use std::io;
use std::path::{Path, PathBuf};

/// What the program is called there.
const PROGRAM: &str = "program";
const DOCKERFILE: &str = "FROM scratch\nCOPY program /program\nRUN [\"/program\", \"--version\"]\n";

/// Writes a source to build, and gives its folder. The program is linked to nothing and knows `--version`.
///
/// # Errors
/// Where the program cannot be read or the folder cannot be written.
pub fn write_source(scratch: &Path, program: &Path) -> io::Result<PathBuf> {
    let source = scratch.join("source");
    std::fs::create_dir_all(&source)?;
    std::fs::write(source.join("Dockerfile"), DOCKERFILE)?;
    std::fs::copy(program, source.join(PROGRAM))?;
    Ok(source)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_source_is_a_dockerfile_and_the_program_that_it_runs() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("buildctl");
        assert!(write_source(folder.path(), &program).is_err());

        std::fs::write(&program, "program").unwrap();
        let source = write_source(folder.path(), &program).unwrap();

        assert_eq!(std::fs::read_to_string(source.join(PROGRAM)).unwrap(), "program");
        assert_eq!(std::fs::read_to_string(source.join("Dockerfile")).unwrap(), DOCKERFILE);
    }
}
