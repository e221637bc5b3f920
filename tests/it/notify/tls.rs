//! Over TLS, who answers has to be who was asked.

use std::io::Write as _;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use stackblaze::domain::TargetKind;
use stackblaze::notify::{Outcome, Sender};
use tempfile::TempDir;

use super::receiver::{Heard, answer};
use super::{LOOPBACK, recipient, resolving, send, text};
use crate::harness::guest::output;

/// In the process that believes the receiver's certificate: its port.
const INNER: &str = "STACKBLAZE_TEST_TLS_PORT";

/// Makes a certificate for `hooks.example.com` and its key.
fn make_certificate(folder: &Path) {
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]);
    openssl.args(["-keyout", "own.key", "-out", "own.crt", "-days", "30", "-subj", "/CN=hooks.example.com"]);
    let names =
        ["-addext", "subjectAltName=DNS:hooks.example.com", "-addext", "basicConstraints=critical,CA:FALSE"];
    assert!(output(openssl.args(names).current_dir(folder)).status.success());
}

/// Listens with that certificate and takes everything; gives its port.
fn receive(folder: &Path) -> u16 {
    let certificate = CertificateDer::from_pem_file(folder.join("own.crt")).unwrap();
    let key = PrivateKeyDer::from_pem_file(folder.join("own.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
    let (config, listener) = (Arc::new(config), TcpListener::bind("127.0.0.1:0").unwrap());
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let server = ServerConnection::new(config.clone()).unwrap();
            let mut stream = StreamOwned::new(server, stream.unwrap());
            if Heard::read(&mut stream).is_some() {
                stream.write_all(answer(200, "", "over TLS").as_bytes()).unwrap();
                stream.conn.send_close_notify();
                stream.flush().ok();
            }
        }
    });
    port
}

#[tokio::test]
async fn a_receiver_is_told_whose_certificate_is_believed_and_has_its_name() {
    let sender = Sender::new(resolving(&[LOOPBACK], || vec!["127.0.0.1"]));
    let tell = async |name: &str, port: &str| {
        let to = recipient(TargetKind::Webhook, &format!("https://{name}:{port}/"));
        send(&sender, &to, &text()).await
    };
    if let Some(port) = std::env::var_os(INNER) {
        let port = port.to_str().unwrap();
        let delivery = tell("hooks.example.com", port).await;
        assert_eq!((delivery.outcome, delivery.answer.as_str()), (Outcome::Delivered, "over TLS"));
        let delivery = tell("other.example.com", port).await;
        assert_eq!((delivery.outcome, delivery.status), (Outcome::Again(None), None));
        assert!(delivery.answer.contains("not valid for name"), "{}", delivery.answer);
        return;
    }
    if Command::new("openssl").arg("version").output().is_err() {
        eprintln!("LEFT OUT, since openssl is missing: receivers over TLS");
        return;
    }
    let folder = TempDir::new().unwrap();
    make_certificate(folder.path());
    let port = receive(folder.path()).to_string();

    let delivery = tell("hooks.example.com", &port).await;

    assert_eq!((delivery.outcome, delivery.status), (Outcome::Again(None), None), "{}", delivery.answer);
    let mut again = Command::new(std::env::current_exe().unwrap());
    let own = "notify::tls::a_receiver_is_told_whose_certificate_is_believed_and_has_its_name";
    again.args(["--exact", own]).env(INNER, &port).env("SSL_CERT_FILE", folder.path().join("own.crt"));
    let done = tokio::task::spawn_blocking(move || output(&mut again)).await.unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
}
