//! Sample runs for this folder's tests.

use std::collections::BTreeMap;

use crate::domain::{
    Branch, CloneSettings, DeploymentId, ExecutorKind, GitRef, ImageRepository, LocalSettings, QueuePolicy,
    Repository, Service, ServiceId, ServiceName, Source, Span, TektonSettings, Timestamp, Workload,
};
use crate::executor::{ClusterRun, Plan, Run};

use super::{BuilderSettings, Common, StepImages};

pub(super) fn common() -> Common {
    Common {
        namespace: "stackblaze-builds".to_owned(),
        instance: "k3x9".to_owned(),
        images: StepImages {
            clone: "registry.example.com/stackblaze-builder:1".to_owned(),
            build: "registry.example.com/stackblaze-builder:1".to_owned(),
            deploy: "registry.example.com/stackblaze:1".to_owned(),
        },
        builder: BuilderSettings {
            insecure_registries: vec!["registry.example.com:5000".to_owned()],
            proxies: vec![("https_proxy".to_owned(), "http://proxy.example.com:3128/$x".to_owned())],
            ..BuilderSettings::default()
        },
    }
}

pub(super) fn run() -> Run {
    let image = ImageRepository::parse("image", "registry.example.com/team/api").unwrap();
    Run {
        deployment: DeploymentId::parse("dep_00000001000000000000").unwrap(),
        service: Service {
            id: ServiceId::generate(),
            name: ServiceName::parse("api-service").unwrap(),
            repository: Repository::parse("https://git.example.com/team/api.git").ok(),
            default_branch: Branch::parse("main").unwrap(),
            fetch: CloneSettings::default(),
            executor: ExecutorKind::Tekton,
            queue_policy: QueuePolicy::Coalesce,
            timeout: Span::from_hours(1),
            settle: Span::from_secs(0),
            url: None,
            local: LocalSettings { env: BTreeMap::new(), ..LocalSettings::default() },
            tekton: None,
            allowed_images: Vec::new(),
            frozen: None,
            created_at: Timestamp::from_millis(0),
        },
        branch: GitRef::parse("feat/new-ui").unwrap(),
        commit: None,
        given: None,
        clear_cache: false,
        plan: Plan::Tekton(Box::new(ClusterRun {
            settings: TektonSettings::new(image, vec![Workload::parse("apps/api").unwrap()]),
            cache_epoch: 0,
            uid: None,
            hook: None,
            source: Source::Build,
            caller: "140.82.112.0/24, curl/8.5.0".to_owned(),
            page: None,
            log_mark: None,
            traceparent: None,
        })),
    }
}
