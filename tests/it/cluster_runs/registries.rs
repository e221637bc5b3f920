//! Registries that are not as they should be, or that nobody knows: pushed to by the build step itself.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::dockerfiles::{Builder, Case, written};
use crate::harness::cluster::{Cluster, in_time, variable};
use crate::harness::guest::{Guest, output};

/// Time between two looks whether a registry answers.
const LOOK: Duration = Duration::from_millis(100);
/// What a push that failed ends with.
const PUSH_FAILED: i32 = 91;

fn case() -> Case {
    Case::of("FROM @BASE@\nRUN date > /now\n")
}

/// Variables of a step that pushes there, with a Secret of these keys.
fn pushes_to(address: SocketAddr, secret: &[(&str, &str)]) -> (String, String) {
    let keys = secret.iter().map(|&(key, text)| (key.to_owned(), text.to_owned())).collect();
    let prepare = format!(
        "mkdir -p /src/registry && cd /src/registry && rm -f ca.crt .docker*\n{}cd -\n",
        written(&keys, &BTreeMap::new())
    );
    let more = format!(
        "export STACKBLAZE_IMAGE={address}/app STACKBLAZE_CACHE= STACKBLAZE_REGISTRY_SECRET=/src/registry"
    );
    (prepare, more)
}

async fn free_address() -> SocketAddr {
    let registry = variable("CLUSTER_REGISTRY");
    let host = registry.split(':').next().unwrap();
    TcpListener::bind((host, 0)).await.unwrap().local_addr().unwrap()
}

/// A registry that speaks TLS with a certificate that it vouches for itself; and the certificate.
async fn private_registry(folder: &Path) -> (Guest, SocketAddr, String) {
    let address = free_address().await;
    let [key, certificate, config] = ["key", "certificate", "config.yml"].map(|name| folder.join(name));
    let mut openssl = Command::new("openssl");
    openssl.args([
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=registry",
        "-keyout",
    ]);
    openssl.arg(&key).arg("-out").arg(&certificate);
    assert!(
        output(openssl.arg("-addext").arg(format!("subjectAltName=IP:{}", address.ip()))).status.success()
    );
    let text = format!(
        "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp:\n  addr: {address}\n  tls: {{certificate: {}, key: {}}}\n",
        folder.join("images").display(),
        certificate.display(),
        key.display(),
    );
    std::fs::write(&config, text).unwrap();
    let mut registry = Command::new("docker-registry");
    registry.arg("serve").arg(&config).stdout(Stdio::null()).stderr(Stdio::null());
    let registry = Guest::start(&mut registry);
    in_time(async {
        while TcpStream::connect(address).await.is_err() {
            tokio::time::sleep(LOOK).await;
        }
    })
    .await;
    (registry, address, std::fs::read_to_string(&certificate).unwrap())
}

/// A registry that takes everything up to the first bytes of a layer, and hangs up then.
async fn dying_registry() -> SocketAddr {
    let listener = TcpListener::bind(free_address().await).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream));
        }
    });
    address
}

async fn answer(mut stream: TcpStream) {
    let mut head = Vec::new();
    while let Ok(byte) = stream.read_u8().await {
        head.push(byte);
        if !head.ends_with(b"\r\n\r\n") {
            continue;
        }
        let answer: &[u8] = match head.split(|byte| *byte == b' ').next().unwrap() {
            b"POST" => {
                b"HTTP/1.1 202 Accepted\r\nLocation: /v2/app/blobs/uploads/1\r\nContent-Length: 0\r\n\r\n"
            }
            b"HEAD" | b"GET" => b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
            _ => return,
        };
        head.clear();
        if stream.write_all(answer).await.is_err() {
            return;
        }
    }
}

#[tokio::test]
#[ignore = "needs the full test cluster"]
async fn a_private_authority_is_trusted_where_the_secret_has_its_certificate() {
    let cluster = Cluster::connect().await;
    let builder = Builder::start(&cluster, "private-authority").await;
    let folder = tempfile::tempdir().unwrap();
    let (_registry, address, certificate) = private_registry(folder.path()).await;
    let credentials = (".dockerconfigjson", "{\"auths\":{}}");

    let (prepare, more) = pushes_to(address, &[credentials]);
    let case = case();
    let files = case.written();
    let unknown = builder.build("authority", &case, &format!("{prepare}{files}"), &more).await;
    let (prepare, more) = pushes_to(address, &[credentials, ("ca.crt", &certificate)]);
    let known = builder.build("authority", &case, &format!("{prepare}{files}"), &more).await;

    builder.end().await;
    assert_eq!(unknown.code, PUSH_FAILED, "{unknown:?}");
    assert!(unknown.message.contains("the certificate of a registry is not trusted"), "{unknown:?}");
    assert_eq!(known.code, 0, "{known:?}");
    assert!(known.digest.starts_with("sha256:"), "{known:?}");
}

#[tokio::test]
#[ignore = "needs the full test cluster"]
async fn a_registry_that_hangs_up_in_the_push_is_a_failed_push() {
    let cluster = Cluster::connect().await;
    let builder = Builder::start(&cluster, "dying-registry").await;
    let address = dying_registry().await;
    let (prepare, more) = pushes_to(address, &[(".dockerconfigjson", "{\"auths\":{}}")]);
    let more =
        format!("{more}\nexport STACKBLAZE_INSECURE_REGISTRIES=$STACKBLAZE_INSECURE_REGISTRIES,{address}");

    let case = case();
    let files = case.written();
    let built = builder.build("dying", &case, &format!("{prepare}{files}"), &more).await;

    builder.end().await;
    assert_eq!(built.code, PUSH_FAILED, "{built:?}");
    assert!(built.message.starts_with("the image was built and could not be pushed"), "{built:?}");
    assert!(built.detail.contains("failed to push"), "{built:?}");
}
