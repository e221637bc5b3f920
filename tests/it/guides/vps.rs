//! `docs/VPS.md`, with a folder in place of the machine: `systemctl` and its like only note what they are asked for.

use std::collections::HashMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::{Shell, blocks, page, program, shell_of};
use crate::harness::git::GitRepo;
use crate::harness::guest::output;
use crate::harness::process::{Server, client, serve, wait_until};

/// The machine: folders in place of `/srv` and `/var/lib/stackblaze`, and programs that note their arguments.
struct Machine {
    folder: TempDir,
    site: GitRepo,
    api: GitRepo,
}

impl Machine {
    fn new() -> Self {
        let machine = Self { folder: TempDir::new().unwrap(), site: GitRepo::new(), api: GitRepo::new() };
        machine.site.commit("hello", "hello\n", "A site");
        machine.api.commit("deploy.sh", &machine.local(&deploy_script()), "Deploy it");
        for name in ["srv/site", "srv/api"] {
            std::fs::create_dir_all(machine.path(name)).unwrap();
        }
        for name in ["systemctl", "systemd-run"] {
            let note = format!("echo \"{name} $*\" >>'{}'", machine.path("asked").display());
            program(machine.folder.path(), name, &note);
        }
        program(
            machine.folder.path(),
            "make",
            "mkdir -p public; echo hello >public/index.html; echo api >api",
        );
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn data(&self) -> PathBuf {
        self.path("data")
    }

    /// A text of the page, as it would be on this machine.
    fn local(&self, text: &str) -> String {
        text.replace("sudo -u stackblaze ", "")
            .replace("/var/lib/stackblaze", &self.data().to_string_lossy())
            .replace("/srv/", &format!("{}/", self.path("srv").display()))
            .replace("https://git.example.com/you/site.git", &self.site.url())
            .replace("https://git.example.com/you/api.git", &self.api.url())
    }

    fn shell<'a>(&'a self, data: &'a Path) -> Shell<'a> {
        Shell { folder: self.folder.path(), data, variables: Vec::new() }
    }

    /// What was asked of systemd, and forgotten.
    fn asked(&self) -> String {
        let file = self.path("asked");
        let asked = std::fs::read_to_string(&file).unwrap_or_default();
        std::fs::remove_file(file).ok();
        asked
    }
}

/// The only shell text of the page that contains this.
fn the(words: &str) -> String {
    let found: Vec<_> =
        shell_of(&page("VPS.md"), None).into_iter().filter(|text| text.contains(words)).collect();
    assert_eq!(found.len(), 1, "{words}: {found:?}");
    found.into_iter().next().unwrap()
}

fn deploy_script() -> String {
    the("ln -sfn")
}

/// A server with the settings of the page.
fn start(machine: &Machine) -> Server {
    let settings = machine.local(&the("STACKBLAZE_PUBLIC_URL"));
    let settings: HashMap<_, _> = settings.lines().map(|line| line.split_once('=').unwrap()).collect();
    assert_eq!(settings.len(), 4);
    let data = machine.data();
    let mut command = serve(&data, &[]);
    command.envs(settings).env("PATH", machine.shell(&data).path());
    Server::from_command(command, &data)
}

fn has_rsync() -> bool {
    let is_here = Command::new("rsync").arg("--version").output().is_ok();
    if !is_here {
        eprintln!("LEFT OUT, since rsync is missing: a folder that a web server serves");
    }
    is_here
}

#[tokio::test]
async fn the_guide_leads_from_settings_to_a_restored_server() {
    let machine = Machine::new();
    let data = machine.data();
    std::fs::create_dir(&data).unwrap();
    std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o700)).unwrap();
    let shell = machine.shell(&data);
    let run = |words: &str| shell.ok(&machine.local(&the(words)));
    run("mkdir -p /var/lib/stackblaze/backups");
    let mut server = start(&machine);

    let operator = machine.local(&the("admin create mira"));
    let (create, doctor) = operator.split_once('\n').unwrap();
    let link = shell.ok(create);
    // Nobody has given that name to this machine, so the doctor finds one thing wrong.
    let doctor = String::from_utf8(
        output(
            Command::new("sh")
                .args(["-c", doctor])
                .env("PATH", shell.path())
                .env("STACKBLAZE_DATA_DIR", &data),
        )
        .stdout,
    )
    .unwrap();
    assert!(link.contains("https://deploy.example.com/login?once="), "{link}");
    assert!(doctor.contains("✓ database") && doctor.contains("backup"), "{doctor}");

    if has_rsync() {
        run("service add site");
        assert_eq!(std::fs::read_to_string(machine.path("srv/site/index.html")).unwrap(), "hello\n");
    } else {
        shell.ok(&format!("stackblaze service add site --repo {} --deploy true", machine.site.url()));
    }
    let printed = run("hook create site");
    let url = printed.lines().find(|line| line.starts_with("https://")).unwrap().to_owned();
    let hook = url.replace("https://deploy.example.com", &server.url);
    let mut caller = machine.shell(&data);
    caller.variables.push(("STACKBLAZE_DEPLOY_HOOK", hook.clone()));
    caller.ok(&the("curl --fail-with-body -X POST"));

    let copies = || std::fs::read_dir(data.join("backups")).unwrap().map(|entry| entry.unwrap().path());
    wait_until("the copy", || copies().any(|path| path.extension().is_some_and(|kind| kind == "db")));
    let key = run("cat /var/lib/stackblaze/secret.key");
    shell.ok("stackblaze backup stackblaze-20261124T143049Z.db");
    server.signal("TERM");
    assert!(server.wait().success());
    std::fs::rename(&data, machine.path("old")).unwrap();
    std::fs::create_dir_all(data.join("backups")).unwrap();
    std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o700)).unwrap();
    std::fs::write(machine.path("secret.key"), key).unwrap();
    let restored = run("stackblaze restore /var/lib/stackblaze/");
    assert!(restored.contains("fits the database"), "{restored}");
    let server = start(&machine);

    let again = url.replace("https://deploy.example.com", &server.url);
    assert_eq!(client().post(again).send().await.unwrap().status(), 202);
}

#[tokio::test]
async fn an_app_is_put_beside_the_one_before_and_restarted() {
    let machine = Machine::new();
    let data = machine.data();
    std::fs::create_dir_all(data.join("backups")).unwrap();
    let _server = start(&machine);
    let shell = machine.shell(&data);
    let app = |name: &str| machine.path("srv/api").join(name);

    shell.ok(&machine.local(&the("service add api")));
    let mut served = Vec::new();
    for _ in 0..7 {
        shell.ok("stackblaze deploy api --wait");
        served.push(std::fs::read_link(app("current")).unwrap());
    }

    assert_eq!(std::fs::read_to_string(app("current/api")).unwrap(), "api\n");
    assert_eq!(machine.asked(), "systemctl restart api\n".repeat(7));
    let left: Vec<_> =
        std::fs::read_dir(app("releases")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(left.len(), 5);
    assert!(served[2..].iter().all(|release| left.contains(release)), "{served:?} {left:?}");
}

#[tokio::test]
async fn a_unit_on_the_spot_is_begun_anew() {
    let machine = Machine::new();

    machine.shell(&machine.data()).ok(&machine.local(&the("systemd-run --user")));

    let asked = machine.asked();
    let (stopped, begun) = asked.split_once('\n').unwrap();
    assert_eq!(stopped, "systemctl --user stop api.service");
    assert!(begun.starts_with("systemd-run --user --unit=api --collect "), "{begun}");
    assert!(begun.trim_end().ends_with("srv/api/current/api"), "{begun}");
}

#[test]
fn the_last_line_fails_where_the_app_does_not_answer() {
    let folder = TempDir::new().unwrap();
    let shell = Shell { folder: folder.path(), data: folder.path(), variables: Vec::new() };
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let line = the("/healthz").replace("3000", &free.to_string()).replace("--retry 10", "--retry 1");

    assert_eq!(shell.run(&line).status.code(), Some(7));
}

#[test]
fn the_drop_in_of_the_guide_is_one_that_its_unit_needs() {
    let unit = super::read(&super::root().join("deploy/systemd/stackblaze.service"));
    let text = page("VPS.md");

    assert!(unit.contains("\nProtectSystem=strict\n") && unit.contains("\nProtectHome=yes\n"));
    assert!(unit.contains("\nNoNewPrivileges=yes\n") && unit.contains("\nKillMode=process\n"));
    assert!(blocks(&text).iter().any(|block| block.text.contains("ReadWritePaths=/srv/site")));
    assert!(text.contains("exit code 64, 65, 75 or 78") && unit.contains("=64 65 75 78\n"));
}
