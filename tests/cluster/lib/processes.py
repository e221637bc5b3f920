"""Every process of the cluster: its command line, and starting it inside the namespaces."""
import os, signal, subprocess
from pathlib import Path

from .common import KUBE, NODE, REGISTRY, STATE, TEKTON, Fail, clean_env, run, wait
from .network import NEWNET, NEWNS, NEWPID, alive, init_pid, record, setns

FULL = ["registry", "registry-private", "git-daemon", "git-http", "containerd", "etcd", "kube-apiserver",
        "kube-controller-manager", "kube-scheduler", "kubelet", "tekton-controller", "tekton-webhook"]
API_ONLY = ["etcd", "kube-apiserver", "kube-controller-manager", "tekton-controller", "tekton-webhook"]


def spawn(name):
    argv, env = commands()[name]
    init = init_pid()
    if alive(name):
        raise Fail(f"{name} is running already")
    setns(init, "pid", NEWPID)  # for children forked from here on

    def enter():
        setns(init, "net", NEWNET)
        setns(init, "mnt", NEWNS)

    with open(STATE / "logs" / f"{name}.log", "ab") as log:
        p = subprocess.Popen([str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/",
                             start_new_session=True, preexec_fn=enter, env=clean_env(HOME=str(STATE), **env))
    record(name, p.pid)


def signal_one(name, word):
    """Send a signal by its short name; KILL and TERM wait for the end."""
    pid = alive(name)
    if not pid:
        raise Fail(f"{name} is not running")
    number = getattr(signal, f"SIG{word.upper().removeprefix('SIG')}", None)
    if number is None:
        raise Fail(f"{word}: no such signal")
    os.kill(pid, number)
    if number in (signal.SIGKILL, signal.SIGTERM):
        wait(f"end of {name}", 30, lambda: not alive(name))


def commands():
    return {**kubernetes(), **tekton(), **node(), **servers()}


def kubernetes():
    pki, conf, kube = STATE / "pki", STATE / "conf", KUBE / "bin"
    manager, scheduler = f"{conf}/controller-manager.kubeconfig", f"{conf}/scheduler.kubeconfig"
    return {
        # Its data end with the cluster, so it need not wait for the disk; a killed etcd loses nothing by that.
        "etcd": ([kube / "etcd", f"--data-dir={STATE}/etcd", "--listen-client-urls=http://127.0.0.1:2379",
                  "--advertise-client-urls=http://127.0.0.1:2379", "--listen-peer-urls=http://127.0.0.1:2380",
                  "--initial-advertise-peer-urls=http://127.0.0.1:2380",
                  "--initial-cluster=default=http://127.0.0.1:2380", "--log-level=warn", "--unsafe-no-fsync"], {}),
        "kube-apiserver": ([
            kube / "kube-apiserver", "--etcd-servers=http://127.0.0.1:2379",
            "--service-cluster-ip-range=10.96.0.0/16", f"--advertise-address={NODE}", "--secure-port=443",
            "--allow-privileged=true", "--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
            f"--client-ca-file={pki}/ca.crt", f"--tls-cert-file={pki}/apiserver.crt",
            f"--tls-private-key-file={pki}/apiserver.key", f"--kubelet-client-certificate={pki}/kubelet-client.crt",
            f"--kubelet-client-key={pki}/kubelet-client.key", f"--kubelet-certificate-authority={pki}/ca.crt",
            "--kubelet-preferred-address-types=InternalIP",
            "--service-account-issuer=https://kubernetes.default.svc", f"--service-account-key-file={pki}/sa.pub",
            f"--service-account-signing-key-file={pki}/sa.key", f"--cert-dir={STATE}/etcd"], {}),
        "kube-controller-manager": ([
            kube / "kube-controller-manager", f"--kubeconfig={manager}", f"--authentication-kubeconfig={manager}",
            f"--authorization-kubeconfig={manager}", f"--service-account-private-key-file={pki}/sa.key",
            f"--root-ca-file={pki}/ca.crt", "--use-service-account-credentials=true", "--leader-elect=false",
            "--bind-address=127.0.0.1"], {}),
        "kube-scheduler": ([
            kube / "kube-scheduler", f"--kubeconfig={scheduler}", f"--authentication-kubeconfig={scheduler}",
            f"--authorization-kubeconfig={scheduler}", "--leader-elect=false", "--bind-address=127.0.0.1"], {}),
    }


def tekton():
    def image(name):
        return f"{REGISTRY}/{name}:latest"

    def env(leader, probes, metrics, profiling):
        # Two processes in one network: each needs ports of its own, or the second one stops.
        return {"SYSTEM_NAMESPACE": "tekton-pipelines", "CONFIG_LOGGING_NAME": "config-logging",
                "CONFIG_OBSERVABILITY_NAME": "config-observability", "CONFIG_FEATURE_FLAGS_NAME": "feature-flags",
                "CONFIG_DEFAULTS_NAME": "config-defaults", "CONFIG_SPIRE": "config-spire",
                "METRICS_DOMAIN": "tekton.dev/pipeline", "KUBERNETES_MIN_VERSION": "v1.28.0",
                "CONFIG_LEADERELECTION_NAME": f"config-leader-election-{leader}",
                "PROBES_PORT": probes, "METRICS_PROMETHEUS_PORT": metrics, "PROFILING_PORT": profiling}

    kubeconfig = STATE / "conf/admin.kubeconfig"
    # Tests that run side by side should not wait for the controller's own throttle; a full cluster keeps the real one.
    pace = ["-kube-api-qps", "200", "-kube-api-burst", "200"] if (STATE / "api-only").exists() else []
    return {
        "tekton-controller": ([
            TEKTON / "bin/controller", "-kubeconfig", kubeconfig, "-entrypoint-image", image("entrypoint"),
            "-nop-image", image("nop"), "-workingdirinit-image", image("workingdirinit"),
            "-sidecarlogresults-image", image("nop"), "-shell-image", image("busybox"),
            "-shell-image-win", image("busybox"), "-disable-ha", *pace], env("controller", "8081", "9091", "8018")),
        "tekton-webhook": ([TEKTON / "bin/webhook", "-kubeconfig", kubeconfig], {
            **env("webhook", "8082", "9092", "8028"), "WEBHOOK_SERVICE_NAME": "tekton-pipelines-webhook",
            "WEBHOOK_SECRET_NAME": "webhook-certs", "WEBHOOK_PORT": "8443",
            "WEBHOOK_ADMISSION_CONTROLLER_NAME": "webhook.pipeline.tekton.dev"}),
    }


def node():
    conf = STATE / "conf"
    return {
        "containerd": (["containerd", "--config", conf / "containerd.toml"], {}),
        "kubelet": ([KUBE / "bin/kubelet", f"--config={conf}/kubelet.json", f"--kubeconfig={conf}/node.kubeconfig",
                     "--hostname-override=node", f"--node-ip={NODE}"], {}),
    }


def servers():
    conf, git = STATE / "conf", STATE / "git"
    # `git daemon` is a wrapper that forks: the pid would be the wrong one.
    daemon = Path(run("git", "--exec-path").strip()) / "git-daemon"
    return {
        "registry": (["docker-registry", "serve", conf / "registry.yml"], {}),
        "registry-private": (["docker-registry", "serve", conf / "registry-private.yml"], {}),
        "git-daemon": ([daemon, "--reuseaddr", "--export-all", f"--base-path={git}/public", f"--listen={NODE}"], {}),
        "git-http": (["/bin/busybox", "httpd", "-f", "-p", f"{NODE}:8000", "-h", git / "http",
                      "-c", conf / "httpd.conf"], {"GIT_HTTP_EXPORT_ALL": "1"}),
    }
