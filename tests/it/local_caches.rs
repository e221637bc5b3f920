//! What builds of the local executor keep, and what is swept while the server runs.

use std::path::PathBuf;

use stackblaze::executor::local::{LocalExecutor, Variables};
use stackblaze::executor::{Executor, Outcome};

use crate::local::Bench;

#[tokio::test]
async fn a_sweep_takes_what_survivors_put_back_and_disturbs_no_run() {
    let bench = Bench::new();
    bench.end(&bench.run("true", "true")).await;
    let work = bench.data.path().join("work").join(bench.service.as_str());
    std::fs::create_dir_all(work.join("source/again")).unwrap();
    std::fs::write(work.join("tmp/socket"), "").unwrap();
    std::fs::create_dir(bench.data.path().join("work/look-left")).unwrap();

    bench.executor.sweep().await;

    assert!(!work.join("source").exists() && work.join("tmp/socket").exists());
    assert!(!bench.data.path().join("work/look-left").exists());
    let (begun, go_on) = (bench.home.path().join("begun"), bench.home.path().join("go-on"));
    let build = format!(
        "touch made {}; while ! [ -e {} ]; do sleep 0.05; done; test -e made",
        begun.display(),
        go_on.display()
    );
    let run = bench.run(&build, "true");
    let sweeping = async {
        while !begun.exists() {
            tokio::task::yield_now().await;
        }
        bench.executor.sweep().await;
        let is_emptied = bench.executor.empty_cache(&bench.service).await;
        std::fs::write(&go_on, "").unwrap();
        is_emptied
    };
    let ((_, outcome), is_emptied) = tokio::join!(bench.end(&run), sweeping);
    assert_eq!((outcome, is_emptied), (Outcome::Succeeded, false));
}

#[tokio::test]
async fn caches_are_measured_emptied_and_kept_within_their_limit() {
    let bench = Bench::new();
    let fill = bench.run("head -c 200000 /dev/zero > $STACKBLAZE_CACHE_DIR/big", "true");
    bench.end(&fill).await;
    let cache = bench.data.path().join("cache").join(bench.service.as_str());

    let sizes = bench.executor.sweep().await;
    let is_emptied = bench.executor.empty_cache(&bench.service).await;

    assert!(sizes.len() == 1 && sizes[0].0 == bench.service && sizes[0].1 >= 200_000, "{sizes:?}");
    assert!(is_emptied && !cache.exists());
    bench.end(&fill).await;
    let program = PathBuf::from(env!("CARGO_BIN_EXE_stackblaze"));
    let tight =
        |limit| LocalExecutor::open(bench.data.path(), program.clone(), &Variables::new(), limit).unwrap();
    assert_eq!(tight(1 << 20).sweep().await.len(), 1);
    assert_eq!(tight(100_000).sweep().await, []);
    assert!(!cache.exists());
}
