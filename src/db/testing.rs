//! What the tests of this layer share: a file with all tables, and rows to begin with.

use std::cell::RefCell;
use std::io::Read;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use tempfile::TempDir;

use super::changes::Touched;
use super::deployments::NewDeployment;
use super::queue::{self, Claims, Place};
use super::{Db, Error, Role, Tx, connection, hooks, migrate, services};
use crate::domain::{
    Branch, CloneSettings, Deployment, DeploymentId, ExecutorKind, GitRef, Hook, HookId, HookName, HookRules,
    HookToken, LocalSettings, QueuePolicy, Reason, Repository, Service, ServiceId, ServiceName, Span,
    Timestamp, TokenKey, Trigger, Who,
};

/// The moment at which the tests begin.
pub(super) const T0: Timestamp = Timestamp::from_millis(1_700_000_000_000);
/// A limit of the queue that no test meets unless it wants to.
pub(super) const NO_LIMIT: u32 = 1_000;

/// Bytes of a page of our files.
pub(super) const PAGE: usize = 4_096;

/// A data directory with one deployment of each kind: queued, running, ended.
pub(super) async fn filled() -> (TempDir, Db, [DeploymentId; 3]) {
    let dir = tempfile::tempdir().unwrap();
    let db = Db::open(dir.path(), 0).unwrap();
    let ids = db
        .core()
        .write(|tx| {
            let service = service("api");
            services::insert(tx, &service)?;
            let mut ids = Vec::new();
            for _ in 0..3 {
                match queue::enqueue(tx, &new(&service, "main"), QueuePolicy::Every, NO_LIMIT, T0)? {
                    Place::New(id) => ids.push(id),
                    other => panic!("{other:?}"),
                }
            }
            let ready = [ExecutorKind::Local].into_iter().collect();
            queue::claim_next(tx, Claims { ready, concurrency: 1 }, T0)?;
            super::deployments::fail(tx, &ids[2], Reason::Cancelled, "", None, T0)?;
            Ok::<_, Error>(ids)
        })
        .await
        .unwrap();
    (dir, db, ids.try_into().unwrap())
}

pub(super) fn copy_of(db: &Db, dir: &TempDir) -> PathBuf {
    let mut bytes = Vec::new();
    db.backup("test").unwrap().read_to_end(&mut bytes).unwrap();
    let path = dir.path().join("copy");
    std::fs::write(&path, bytes).unwrap();
    path
}

pub(super) async fn add_service(db: &Db, name: &'static str) {
    db.core().write(move |tx| services::insert(tx, &service(name))).await.unwrap();
}

/// The page that a table begins with, counted from 1.
pub(super) fn root_page_of(table: &str, path: &Path) -> usize {
    let conn = connection::open_unchanged(path).unwrap();
    let sql = "SELECT rootpage FROM sqlite_schema WHERE name = ?1";
    conn.query_row(sql, [table], |row| row.get::<_, u32>(0)).unwrap().try_into().unwrap()
}

pub(super) fn names(dir: &Path) -> Vec<String> {
    let files = std::fs::read_dir(dir).unwrap();
    let mut names: Vec<_> =
        files.map(|file| file.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// A file in a temporary directory, open for writing.
pub(super) struct Bench {
    _dir: TempDir,
    pub(super) conn: Connection,
    touched: RefCell<Touched>,
}

impl Bench {
    pub(super) fn core() -> Self {
        Self::open(Role::Core)
    }

    pub(super) fn logs() -> Self {
        Self::open(Role::Logs)
    }

    fn open(role: Role) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(role.name());
        let mut conn = connection::open_writer(&path, role).unwrap();
        migrate::run(&mut conn, &path, role).unwrap();
        // What is on the disk after a power cut is none of these tests' business.
        conn.pragma_update(None, "synchronous", "OFF").unwrap();
        Self { _dir: dir, conn, touched: RefCell::default() }
    }

    pub(super) fn tx(&self) -> Tx<'_> {
        Tx::new(&self.conn, &self.touched, false)
    }

    pub(super) fn count(&self, table: &str) -> i64 {
        self.conn.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
    }

    pub(super) fn service(&self, name: &str) -> Service {
        let service = service(name);
        assert!(services::insert(&self.tx(), &service).unwrap());
        service
    }

    pub(super) fn hook(&self, service: &Service, name: &str) -> (Hook, HookToken) {
        let hook = hook(service, name);
        let token = HookToken::mint(&key(), &service.id, &hook.id);
        assert!(hooks::insert(&self.tx(), &hook, &token.hash()).unwrap());
        (hook, token)
    }

    /// A queued deployment of its own.
    pub(super) fn queued(&self, service: &Service, branch: &str, at: Timestamp) -> DeploymentId {
        let place = queue::enqueue(&self.tx(), &new(service, branch), QueuePolicy::Every, NO_LIMIT, at);
        match place.unwrap() {
            Place::New(id) => id,
            other => panic!("{other:?}"),
        }
    }

    /// Claims what is next.
    pub(super) fn claim(&self, at: Timestamp) -> Option<Deployment> {
        let ready = [ExecutorKind::Local].into_iter().collect();
        queue::claim_next(&self.tx(), Claims { ready, concurrency: 100 }, at).unwrap()
    }

    pub(super) fn find(&self, id: &DeploymentId) -> Deployment {
        super::deployments::find(&self.tx(), id).unwrap().unwrap()
    }
}

pub(super) fn key() -> TokenKey {
    TokenKey::generate()
}

pub(super) fn service(name: &str) -> Service {
    Service {
        id: ServiceId::generate(),
        name: ServiceName::parse(name).unwrap(),
        repository: Repository::parse("https://example.com/repository.git").ok(),
        default_branch: Branch::parse("main").unwrap(),
        fetch: CloneSettings::default(),
        executor: ExecutorKind::Local,
        queue_policy: QueuePolicy::Coalesce,
        timeout: Span::from_secs(600),
        settle: Span::from_secs(0),
        url: None,
        local: LocalSettings::default(),
        tekton: None,
        allowed_images: Vec::new(),
        frozen: None,
        created_at: T0,
    }
}

pub(super) fn hook(service: &Service, name: &str) -> Hook {
    Hook {
        id: HookId::generate(),
        service_id: service.id.clone(),
        name: HookName::parse(name).unwrap(),
        rules: HookRules::default(),
        generation: 1,
        previous_until: None,
        rotated_at: None,
        created_at: T0,
        created_by: Who::Operator("mira".to_owned()),
        revoked_at: None,
    }
}

pub(super) fn new(service: &Service, branch: &str) -> NewDeployment {
    NewDeployment {
        service_id: service.id.clone(),
        executor: service.executor,
        trigger: Trigger::Deploy,
        hook_generation: None,
        who: Who::Operator("mira".to_owned()),
        branch: GitRef::parse(branch).unwrap(),
        commit: None,
        clear_cache: false,
        note: None,
        asked_image: None,
        promoted_from: None,
        image: None,
        ignored_parameters: Vec::new(),
        traceparent: None,
    }
}
