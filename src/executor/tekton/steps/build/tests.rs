use super::*;

pub(super) fn step(source: &Path) -> BuildStep {
    BuildStep {
        source: source.to_owned(),
        context: ".".to_owned(),
        dockerfile: "Dockerfile".to_owned(),
        target: None,
        build_args: read_build_args(r#"{"MODE":"\u0024(params.image) --x"}"#).unwrap(),
        build_secrets: None,
        image: Some("r.example.com/api:dep-1".to_owned()),
        cache: Some("r.example.com/api-cache-e1".to_owned()),
        registry_secret: None,
        insecure_registries: Vec::new(),
        commit_file: source.join("commit"),
        digest_file: source.join("digest"),
        message_file: source.join("message"),
        detail_file: source.join("detail"),
        scratch: source.join("scratch"),
        store: source.join("store"),
        store_limit: u64::MAX,
    }
}

#[test]
fn links_out_of_the_repository_and_missing_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    assert!(step(folder.path()).places().is_err_and(|why| why.contains("has no Dockerfile")));

    std::os::unix::fs::symlink("/etc/hostname", folder.path().join("Dockerfile")).unwrap();
    assert!(step(folder.path()).places().is_err_and(|why| why.contains("links out")));
}

#[test]
fn a_failure_is_told_by_its_code_and_in_its_own_words() {
    let folder = tempfile::tempdir().unwrap();
    let step = step(folder.path());
    let told = |file: &Path| std::fs::read_to_string(file).unwrap_or_default();

    assert_eq!(step.run(), BUILD_FAILED);
    assert_eq!(told(&step.message_file), "the repository has no Dockerfile Dockerfile");
    assert_eq!(told(&step.detail_file), "");

    std::fs::write(folder.path().join("Dockerfile"), "# syntax=example.com/own:1\nFROM scratch\n").unwrap();
    assert_eq!(step.run(), BUILD_FAILED);
    assert!(told(&step.message_file).contains("only docker/dockerfile is built"));
    assert_eq!(told(&step.detail_file), "syntax=example.com/own:1");
}

#[test]
fn secrets_are_the_files_that_are_not_kubernetes_own() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["npm", "..data"] {
        std::fs::write(folder.path().join(name), "x").unwrap();
    }
    let step = BuildStep { build_secrets: Some(folder.path().to_owned()), ..step(folder.path()) };

    assert_eq!(step.secrets().unwrap().into_keys().collect::<Vec<_>>(), ["npm"]);
}
