//! Stub
use super::{Error, Events, Executor, Outcome, Run};
use std::path::{Path, PathBuf};
/// Stub
pub struct LocalExecutor;
impl LocalExecutor {
    /// Stub
    pub fn open(_: &Path, _: PathBuf) -> std::io::Result<Self> {
        Ok(Self)
    }
}
impl Executor for LocalExecutor {
    const SURVIVES_RESTART: bool = false;
    async fn run(
        &self,
        _: &Run,
        _: &Events,
        _: &tokio_util::sync::CancellationToken,
    ) -> Result<Outcome, Error> {
        Err(Error("stub".into()))
    }
}
/// Stub
pub fn supervise(_: Vec<std::ffi::OsString>) -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}
