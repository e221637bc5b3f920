//! The commands of `docs/API.md`, run as they stand there.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::cli::binary::RunningServer;
use crate::harness::git::GitRepo;
use crate::harness::guest::output;

const DOCS: &str = include_str!("../../docs/API.md");

#[test]
fn each_command_does_what_stands_beside_it() {
    let (server, repo, folder) = (RunningServer::start(), GitRepo::new(), TempDir::new().unwrap());
    repo.commit("hello", "one\n", "Say hello");
    server.cli(&["service", "add", "api", "--repo", &repo.url(), "--deploy", "echo deployed here"]).ok();
    let hook = server.cli(&["hook", "create", "api", "--name", "ci"]).ok().stdout;
    let token = server.cli(&["token", "create", "ci", "--scope", "admin"]).ok().stdout;
    let url = hook.split("/deploy-hooks/").next().unwrap().to_owned();
    let run = |text: &str, folder: &Path| {
        let mut command = Command::new("sh");
        command.args(["-e", "-c", text]).current_dir(folder);
        command.envs([("SERVER", url.trim()), ("TOKEN", token.trim()), ("HOOK", hook.trim())]);
        let ran = output(&mut command);
        let said = String::from_utf8_lossy(&ran.stdout).into_owned();
        assert!(ran.status.success(), "{text}: {said}{}", String::from_utf8_lossy(&ran.stderr));
        said
    };
    let blocks = DOCS.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());

    let said: Vec<_> = blocks.map(|block| run(block, folder.path())).collect();

    let [deployed, refused, twice, list, changed] = said.as_slice() else { panic!("{said:?}") };
    assert!(deployed.starts_with("succeeded\n") && deployed.contains("deployed here"), "{deployed}");
    assert!(
        refused.contains("\"parameter\":\"limit\"") && refused.contains("\ninvalid_parameter\n"),
        "{refused}"
    );
    let twice: Vec<_> = twice.lines().collect();
    assert_eq!((twice.len(), twice[0]), (2, twice[1]));
    assert!(list.contains("\"items\":[{") && list.contains("\"status\":\"succeeded\""), "{list}");
    assert!(changed.contains("\"name\":\"api\"") && changed.contains("\"wouldDeploy\":true"), "{changed}");
}
