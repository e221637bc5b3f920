"""Tekton's own files, and what the tests find in the cluster: namespaces, accounts, secrets, a workload."""
import base64, json, os, re

from .common import GIT_PASSWORD, GIT_USER, PRIVATE_REGISTRY, REGISTRY, REGISTRY_PASSWORD, REGISTRY_USER, STATE, \
    TEKTON, Fail

FLAGS = {"running-in-environment-with-injected-sidecars": "false"}
# A volume that one pod at a time may have is good for no other claims.
VOLUMES = ["ReadWriteOncePod"] * 5 + ["ReadWriteOnce"] * 3
PROBE = {"apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "metadata": {"name": "probe", "namespace": "default"},
         "spec": {"pipelineSpec": {"tasks": [{"name": "t", "taskSpec": {
             "steps": [{"name": "s", "image": "x", "command": ["x"]}]}}]}}}


def flags():
    own = os.environ.get("STACKBLAZE_CLUSTER_FLAGS", "")
    return {**FLAGS, **dict(pair.split("=", 1) for pair in own.split(",") if pair)}


def write_tekton():
    """The module's config/ with the webhook's port added and the feature flags set."""
    source, out = TEKTON / "config", STATE / "tekton"
    files = [*sorted((source / "100-namespace").glob("*.yaml")), *sorted(source.glob("20*.yaml")),
             *sorted(source.glob("clusterrole-*.yaml")), *sorted((source / "300-crds").glob("*.yaml")),
             *sorted(source.glob("config-*.yaml")), source / "500-webhooks.yaml"]
    # Only below a `service:` line: roles and bindings use the same name.
    service = re.compile(r"^ +service:\n( +)name: tekton-pipelines-webhook\n\1namespace: tekton-pipelines$", re.M)
    patched = 0
    for i, file in enumerate(files):
        text, n = service.subn(lambda m: f"{m[0]}\n{m[1]}port: 8443", file.read_text())
        patched += n
        if file.name == "config-feature-flags.yaml":
            for flag, value in flags().items():
                text, n = re.subn(rf"^  {re.escape(flag)}: .*$", f'  {flag}: "{value}"', text, flags=re.M)
                if n != 1:
                    raise Fail(f"feature flag {flag} is not in {file.name}")
        (out / f"{i:02}-{file.name}").write_text(text)
    if patched < 9:
        raise Fail(f"expected at least 9 webhook clientConfigs in the Tekton files, found {patched}")
    # knative wants a Service; this kind makes the apiserver dial localhost without any kube-proxy.
    (out / "00-service.yaml").write_text(json.dumps({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "tekton-pipelines-webhook", "namespace": "tekton-pipelines"},
        "spec": {"type": "ExternalName", "externalName": "localhost",
                 "ports": [{"name": "https-webhook", "port": 8443}]}}))


def thing(api, kind, name, namespace=None, labels=None, **rest):
    metadata = {"name": name, **({"namespace": namespace} if namespace else {}), **({"labels": labels} if labels else {})}
    return {"apiVersion": api, "kind": kind, "metadata": metadata, **rest}


def objects(api_only):
    items = [
        thing("v1", "Namespace", "builds", labels={"pod-security.kubernetes.io/enforce": "privileged"}),
        thing("v1", "Namespace", "apps"),
        thing("v1", "ServiceAccount", "builder", "builds", automountServiceAccountToken=False),
        thing("v1", "ServiceAccount", "deployer", "builds"),
        thing("v1", "Secret", "git-private", "builds", type="kubernetes.io/basic-auth",
              stringData={"username": GIT_USER, "password": GIT_PASSWORD}),
        *(registry_secret(namespace) for namespace in ("builds", "apps")),
        *deployer_rights(),
        *workload("api", 1 if api_only else 2),
    ]
    if not api_only:
        items += [volume(n, mode) for n, mode in enumerate(VOLUMES)]
    return {"apiVersion": "v1", "kind": "List", "items": items}


def registry_secret(namespace):
    both = base64.b64encode(f"{REGISTRY_USER}:{REGISTRY_PASSWORD}".encode()).decode()
    return thing("v1", "Secret", "registry-private", namespace, type="kubernetes.io/dockerconfigjson",
                 stringData={".dockerconfigjson": json.dumps({"auths": {PRIVATE_REGISTRY: {"auth": both}}})})


def deployer_rights():
    rbac = "rbac.authorization.k8s.io"
    read = ["get", "list", "watch"]
    return [
        thing(f"{rbac}/v1", "Role", "deployer", "apps", rules=[
            {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": [*read, "patch"]},
            {"apiGroups": ["apps"], "resources": ["replicasets"], "verbs": read},
            {"apiGroups": [""], "resources": ["pods", "events"], "verbs": read}]),
        thing(f"{rbac}/v1", "RoleBinding", "deployer", "apps",
              roleRef={"apiGroup": rbac, "kind": "Role", "name": "deployer"},
              subjects=[{"kind": "ServiceAccount", "name": "deployer", "namespace": "builds"}])]


def workload(name, replicas):
    """A Deployment that can be replaced without a failed request, and its Service."""
    return [
        thing("apps/v1", "Deployment", name, "apps", spec={
            "replicas": replicas, "selector": {"matchLabels": {"app": name}}, "progressDeadlineSeconds": 600,
            "strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {
                "automountServiceAccountToken": False, "enableServiceLinks": False,
                "terminationGracePeriodSeconds": 3, "imagePullSecrets": [{"name": "registry-private"}],
                "containers": [{
                    "name": name, "image": f"{REGISTRY}/api:latest", "ports": [{"containerPort": 8080}],
                    # Whoever holds the address of this pod gets time to see that it leaves.
                    "lifecycle": {"preStop": {"exec": {"command": ["sleep", "2"]}}},
                    "readinessProbe": {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1}}]}}}),
        thing("v1", "Service", name, "apps", spec={
            "selector": {"app": name}, "ports": [{"port": 80, "targetPort": 8080}]})]


def volume(number, mode):
    """For a claim without a class, as our own server makes one; local, so that fsGroup is applied."""
    folder = f"volumes/{number}"
    (STATE / "var-lib" / folder).mkdir(parents=True, exist_ok=True)
    return thing("v1", "PersistentVolume", f"local-{number}", spec={
        "capacity": {"storage": "10Gi"}, "accessModes": [mode], "volumeMode": "Filesystem",
        "persistentVolumeReclaimPolicy": "Retain", "local": {"path": f"/var/lib/{folder}"},
        "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [
            {"key": "kubernetes.io/hostname", "operator": "In", "values": ["node"]}]}]}}})
