{{/* Labels of an object: (list $ COMPONENT). The installation is called as its namespace is, which is one release's. */}}
{{- define "stackblaze.labels" -}}
{{- $root := first . -}}
app.kubernetes.io/component: {{ last . }}
app.kubernetes.io/name: stackblaze
app.kubernetes.io/instance: {{ $root.Release.Namespace | quote }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: stackblaze
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* Where an object is: (list $ NAME NAMESPACE COMPONENT). */}}
{{- define "stackblaze.metadata" -}}
name: {{ index . 1 | quote }}
namespace: {{ index . 2 | quote }}
labels:
  {{- include "stackblaze.labels" (list (first .) (last .)) | nindent 2 }}
{{- end -}}

{{- define "stackblaze.account" -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  {{- include "stackblaze.metadata" . | nindent 2 }}
{{- with (first .).Values.imagePullSecret }}
imagePullSecrets:
- name: {{ . | quote }}
{{- end }}
{{- end -}}

{{/* A binding of the Role of the same name: (list $ NAME NAMESPACE COMPONENT ACCOUNT ITS-NAMESPACE). */}}
{{- define "stackblaze.binding" -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  {{- include "stackblaze.metadata" (slice . 0 4) | nindent 2 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: {{ index . 1 | quote }}
subjects:
- kind: ServiceAccount
  name: {{ index . 4 }}
  namespace: {{ index . 5 | quote }}
{{- end -}}

{{/* The workloads as JSON: by namespace, then by kind, the sorted names. */}}
{{- define "stackblaze.workloads" -}}
{{- $all := dict -}}
{{- range .Values.workloads -}}
  {{- $kind := ternary (splitList ":" . | first) "deployment" (contains ":" .) -}}
  {{- $parts := splitList ":" . | last | splitList "/" -}}
  {{- $own := get $all (first $parts) | default dict -}}
  {{- $_ := set $own $kind (append (get $own $kind | default list) (index $parts 1) | uniq | sortAlpha) -}}
  {{- $_ := set $all (first $parts) $own -}}
{{- end -}}
{{- toJson $all -}}
{{- end -}}

{{/* Rights on workloads by their names, a rule for each kind: (list KINDS VERBS). */}}
{{- define "stackblaze.rules" -}}
{{- $kinds := first . -}}
{{- $verbs := last . -}}
{{- range list "deployment" "statefulset" "daemonset" "cronjob" }}
{{- $kind := . }}
{{- with get $kinds $kind }}
- apiGroups: [{{ ternary "batch" "apps" (eq $kind "cronjob") }}]
  resources: [{{ $kind }}s]
  resourceNames: {{ toJson . }}
  verbs: {{ toJson $verbs }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Addresses of the API server as networks, of one family: (list $ IS-IPV6). */}}
{{- define "stackblaze.apiServers" -}}
{{- $v6 := last . -}}
{{- range (first .).Values.apiServers -}}
{{- if eq $v6 (contains ":" .) }}, {{ include "stackblaze.network" . }}{{ end -}}
{{- end -}}
{{- end -}}

{{- define "stackblaze.network" -}}
{{- ternary . (printf "%s/%s" . (ternary "128" "32" (contains ":" .))) (contains "/" .) -}}
{{- end -}}

{{/* The host of publicUrl, for Ingress and HTTPRoute. */}}
{{- define "stackblaze.host" -}}
{{- get (urlParse .Values.publicUrl) "hostname" -}}
{{- end -}}

{{/* What the schema cannot say: a sentence for what does not go together. */}}
{{- define "stackblaze.check" -}}
{{- $example := "for example --set image=registry.example.com/stackblaze:1 --set builderImage=registry.example.com/stackblaze-builder:1" -}}
{{- if not (and .Values.image .Values.builderImage) -}}
  {{- fail (printf "image, builderImage: have to be given, %s" $example) -}}
{{- end -}}
{{- if gt (int .Values.replicas) 1 -}}
  {{- fail "replicas: is 1, or 0 to stop the server. One server has the database, and a second beside it would find it locked. Builds and rollouts scale with Tekton and Kubernetes; more than one team or cluster has a server each" -}}
{{- end -}}
{{- if eq .Values.buildNamespace .Release.Namespace -}}
  {{- fail "buildNamespace: is another namespace than the release's: builds need Pod Security privileged, and may not reach the server's data" -}}
{{- end -}}
{{- range .Values.workloads -}}
  {{- if eq (splitList ":" . | last | splitList "/" | first) $.Values.buildNamespace -}}
    {{- fail (printf "workloads: %s is in the namespace of the builds; workloads are in others" .) -}}
  {{- end -}}
{{- end -}}
{{- range .Values.releaseJobs -}}
  {{- if has . (list $.Values.buildNamespace $.Release.Namespace) -}}
    {{- fail (printf "releaseJobs: %s is the server's or the builds'; Jobs are in others" .) -}}
  {{- end -}}
{{- end -}}
{{- if and (or .Values.ingress.enabled .Values.httpRoute.enabled) (not .Values.publicUrl) -}}
  {{- fail "publicUrl: has to be given where there is an Ingress or an HTTPRoute; its host is theirs" -}}
{{- end -}}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) -}}
  {{- fail "httpRoute.parentRefs: names the Gateway, for example [{name: public, namespace: gateways}]" -}}
{{- end -}}
{{- if and .Values.metrics.serviceMonitor.enabled (not .Values.metrics.enabled) -}}
  {{- fail "metrics.serviceMonitor.enabled: needs metrics.enabled" -}}
{{- end -}}
{{- $own := list "LISTEN" "PUBLIC_URL" "DATA_DIR" "BUILD_NAMESPACE" "STEP_IMAGE" "INSECURE_REGISTRY" "BUILD_APPARMOR" "BUILD_SECCOMP" "METRICS_LISTEN" "BACKUP_EVERY" "BACKUP_DIR" "BACKUP_KEEP" -}}
{{- range .Values.extraEnv -}}
  {{- if and (hasPrefix "STACKBLAZE_" .name) (has (trimPrefix "STACKBLAZE_" .name) $own) -}}
    {{- fail (printf "extraEnv: %s is set by the chart" .name) -}}
  {{- end -}}
{{- end -}}
{{- end -}}
