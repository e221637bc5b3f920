"""Settings files of kubelet, containerd, the network plugin and the registries."""
import json

from .common import GIT_PASSWORD, GIT_USER, NODE, PRIVATE_REGISTRY, REGISTRY, REGISTRY_USER, SERVICE, STATE

# bcrypt, the one kind that docker-registry reads; of the password in common.py.
REGISTRY_HASH = "$2b$05$ayzgrM.rWmX1Rr/tAmpXLeE6wkyjaeyj.lP6nA0ngSRSSRPb4JmTe"


def write_settings():
    conf = STATE / "conf"
    write_kubelet(conf)
    write_containerd(conf)
    for name, address, auth in (("registry", REGISTRY, None), ("registry-private", PRIVATE_REGISTRY, {
            "htpasswd": {"realm": "private", "path": f"{conf}/registry.htpasswd"}})):
        (conf / f"{name}.yml").write_text(json.dumps({
            "version": "0.1", "log": {"level": "warn", "accesslog": {"disabled": True}},
            "storage": {"filesystem": {"rootdirectory": f"{STATE}/{name}"}, "delete": {"enabled": True}},
            **({"auth": auth} if auth else {}), "http": {"addr": address}}))
    (conf / "registry.htpasswd").write_text(f"{REGISTRY_USER}:{REGISTRY_HASH}\n")
    (conf / "httpd.conf").write_text(f"/cgi-bin/private:{GIT_USER}:{GIT_PASSWORD}\n")


def write_kubelet(conf):
    pki = STATE / "pki"
    (conf / "resolv.conf").write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    (conf / "kubelet.json").write_text(json.dumps({
        "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
        "containerRuntimeEndpoint": f"unix://{STATE}/containerd.sock", "cgroupDriver": "cgroupfs",
        "failCgroupV1": False, "failSwapOn": False, "oomScoreAdj": 0, "makeIPTablesUtilChains": False,
        "authentication": {"anonymous": {"enabled": False}, "webhook": {"enabled": True},
                           "x509": {"clientCAFile": f"{pki}/ca.crt"}},
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": f"{pki}/kubelet.crt", "tlsPrivateKeyFile": f"{pki}/kubelet.key",
        "address": NODE, "healthzBindAddress": "127.0.0.1", "readOnlyPort": 0, "resolvConf": f"{conf}/resolv.conf",
        # Nobody answers there; without it every pod gets a Warning event MissingClusterDNS.
        "clusterDNS": ["10.96.0.10"], "clusterDomain": "cluster.local",
        "serializeImagePulls": False, "registryPullQPS": 0, "eventRecordQPS": 0, "maxPods": 250,
        "containerLogMaxSize": "10Mi", "containerLogMonitorInterval": "3s",
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {"memory.available": "50Mi", "nodefs.available": "1%", "nodefs.inodesFree": "1%",
                         "imagefs.available": "1%", "imagefs.inodesFree": "1%"}}, indent=1))


def write_containerd(conf):
    # restrict_oom_score_adj: without CAP_SYS_RESOURCE no sandbox starts otherwise.
    (conf / "containerd.toml").write_text(f'''version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
[grpc]
  address = "{STATE}/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{REGISTRY}/pause:latest"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{conf}/cni"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "{conf}/certs.d"
''')
    (conf / "cni").mkdir()
    # isGateway alone gives a pod no route beyond its own network; no default route on purpose.
    (conf / "cni/10-pods.conflist").write_text(json.dumps({"cniVersion": "1.0.0", "name": "pods", "plugins": [
        {"type": "bridge", "bridge": "cni0", "isGateway": True,
         "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.88.0.0/16"}]],
                  "routes": [{"dst": f"{NODE}/32"}, {"dst": f"{SERVICE}/32"}]}}]}))
    for address in (REGISTRY, PRIVATE_REGISTRY):
        hosts = conf / "certs.d" / address
        hosts.mkdir(parents=True)
        (hosts / "hosts.toml").write_text(f'server = "http://{address}"\n[host."http://{address}"]\n'
                                          '  capabilities = ["pull", "resolve"]\n')
