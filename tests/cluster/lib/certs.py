"""Keys, certificates and kubeconfigs of one cluster."""
import json

from .common import NODE, SERVICE, STATE, run

KUBERNETES_NAMES = "DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc," \
                   f"DNS:kubernetes.default.svc.cluster.local,IP:127.0.0.1,IP:{NODE},IP:{SERVICE}"
# file, subject, subjectAltName
CERTIFICATES = [
    ("apiserver", "/CN=kube-apiserver", KUBERNETES_NAMES),
    ("kubelet", "/CN=node", f"DNS:node,IP:{NODE}"),
    ("localhost", "/CN=localhost", "DNS:localhost,IP:127.0.0.1"),  # for a proxy that a test puts before the API
    ("admin", "/O=system:masters/CN=admin", ""),
    ("kubelet-client", "/O=system:masters/CN=kube-apiserver-kubelet-client", ""),
    ("controller-manager", "/CN=system:kube-controller-manager", ""),
    ("scheduler", "/CN=system:kube-scheduler", ""),
    ("node", "/O=system:nodes/CN=system:node:node", ""),
]


def openssl(*argv):
    run("openssl", *argv, cwd=STATE / "pki")


def key(name):
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", f"{name}.key")


def write_pki():
    key("ca")
    openssl("req", "-x509", "-new", "-key", "ca.key", "-days", "3650", "-subj", "/CN=stackblaze-cluster", "-out", "ca.crt")
    for name, subject, names in CERTIFICATES:
        key(name)
        openssl("req", "-new", "-key", f"{name}.key", "-subj", subject, "-out", f"{name}.csr")
        extensions = STATE / "pki" / f"{name}.ext"
        extensions.write_text("extendedKeyUsage=serverAuth,clientAuth\n" +
                              (f"subjectAltName={names}\n" if names else ""))
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
                "-days", "3650", "-extfile", extensions, "-out", f"{name}.crt")
    key("sa")
    openssl("pkey", "-in", "sa.key", "-pubout", "-out", "sa.pub")


def write_kubeconfigs():
    pki = STATE / "pki"
    for name in ("admin", "controller-manager", "scheduler", "node"):
        (STATE / "conf" / f"{name}.kubeconfig").write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "test", "cluster": {
                "server": f"https://{NODE}:443", "certificate-authority": f"{pki}/ca.crt"}}],
            "users": [{"name": name, "user": {
                "client-certificate": f"{pki}/{name}.crt", "client-key": f"{pki}/{name}.key"}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": name}}]}, indent=1))
