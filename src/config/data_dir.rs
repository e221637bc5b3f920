//! Where the data are.

use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use clap::Args;

use super::variable;

/// Where a server has its data that the system's service manager starts: of those who may look into it, the command line too.
const SYSTEM_DATA_DIR: &str = "/var/lib/stackblaze";
/// Folder below the XDG data directory.
const APPLICATION: &str = "stackblaze";

/// Where the data are.
#[derive(Debug, Clone, Args)]
pub struct DataDir {
    /// Folder with database, key, logs and builds [default: `$STATE_DIRECTORY`, else `/var/lib/stackblaze` for those who
    /// may read it, else the XDG data folder]
    #[arg(long, env = "STACKBLAZE_DATA_DIR", value_name = "DIR", global = true)]
    data_dir: Option<PathBuf>,
}

impl DataDir {
    /// A folder that is known.
    pub fn at(path: PathBuf) -> Self {
        Self { data_dir: Some(path) }
    }

    /// The folder where no flag names one.
    pub fn usual() -> Self {
        Self { data_dir: variable("STACKBLAZE_DATA_DIR").map(PathBuf::from) }
    }

    /// The folder that the flag names; none where its variable or nothing does.
    pub fn flag(&self) -> Option<&Path> {
        self.data_dir
            .as_deref()
            .filter(|dir| variable("STACKBLAZE_DATA_DIR").is_none_or(|set| set != dir.as_os_str()))
    }

    /// The user whose folder it is, where nobody has named it and this process is another's: root finds the system's server to
    /// ask it, and is not to become it.
    pub fn of_another(&self) -> Option<u32> {
        let owner = std::fs::metadata(self.path()).ok()?.uid();
        let is_found = self.data_dir.is_none() && self.path() == Path::new(SYSTEM_DATA_DIR);
        (is_found && variable("STATE_DIRECTORY").is_none() && owner != euid()).then_some(owner)
    }

    /// The folder: the flag or its variable, else systemd's state directory, else that of the system's server where this
    /// process may read it, else the XDG data folder.
    pub fn path(&self) -> PathBuf {
        self.data_dir.clone().unwrap_or_else(|| default_data_dir(variable, Path::new(SYSTEM_DATA_DIR)))
    }
}

fn euid() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn default_data_dir(variable: impl Fn(&str) -> Option<OsString>, of_system: &Path) -> PathBuf {
    let from = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(state) = from("STATE_DIRECTORY") {
        return state;
    }
    let is_for = |owner| owner == euid() || euid() == 0;
    let is_ours = std::fs::metadata(of_system).is_ok_and(|folder| is_for(folder.uid()));
    if is_ours && std::fs::read_dir(of_system).is_ok() {
        return of_system.to_owned();
    }
    let share = from("XDG_DATA_HOME").or_else(|| from("HOME").map(|home| home.join(".local/share")));
    share.unwrap_or_else(|| PathBuf::from(".")).join(APPLICATION)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_are_where_the_system_has_them_for_those_who_may_look() {
        let system = tempfile::tempdir().unwrap();
        let missing = system.path().join("missing");
        let of = |name: &str| match name {
            "HOME" => Some(OsString::from("/home/mira")),
            _ => None,
        };
        let started =
            |name: &str| if name == "STATE_DIRECTORY" { Some(OsString::from("/state")) } else { of(name) };

        assert_eq!(default_data_dir(of, system.path()), system.path());
        assert_eq!(default_data_dir(of, &missing), Path::new("/home/mira/.local/share/stackblaze"));
        assert_eq!(default_data_dir(started, system.path()), Path::new("/state"));
    }
}
