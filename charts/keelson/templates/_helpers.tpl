{{- /* Labels of every object; call with (dict "root" $ "component" "agent"). */ -}}
{{- define "keelson.labels" -}}
{{ include "keelson.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: keelson
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "keelson.selector" -}}
app.kubernetes.io/name: {{ printf "keelson-%s" .component }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "keelson.metadata" -}}
name: {{ printf "keelson-%s" .component }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "keelson.labels" . | nindent 2 }}
{{- end }}

{{- /* The pod template's metadata. No pod of the mesh's own is meshed. No version: else a chart that changes nothing of
hold would call its pods outdated. */ -}}
{{- define "keelson.podMetadata" -}}
{{- $values := index .root.Values .component -}}
labels:
  {{- include "keelson.selector" . | nindent 2 }}
  app.kubernetes.io/part-of: keelson
  {{- with .root.Values.commonLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  keelson.dev/mesh: disabled
  {{- with $values.podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
annotations:
  kubectl.kubernetes.io/default-container: {{ .component }}
  {{- with .annotations }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- with $values.podAnnotations }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{- /* Where a DaemonSet's pods run, and how they are pulled. */ -}}
{{- define "keelson.placement" -}}
{{- $values := index .root.Values .component -}}
priorityClassName: {{ $values.priorityClassName | quote }}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
nodeSelector:
  kubernetes.io/os: linux
  {{- with $values.nodeSelector }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- $tolerations := $values.tolerations }}
{{- if eq .component "ca" }}
{{- /* Agents wait for its root, and a node's start-up taint for its agent. */}}
{{- $tolerations = append $tolerations (dict "key" "keelson.dev/agent-not-ready" "operator" "Exists") }}
{{- end }}
{{- with $tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "keelson.image" -}}
{{- $image := (index .root.Values .component).image -}}
{{- $name := printf "%s/%s" .root.Values.image.registry $image.repository -}}
{{- if $image.digest -}}
{{ printf "%s@%s" $name $image.digest | quote }}
{{- else -}}
{{ printf "%s:%s" $name (.root.Values.image.tag | default .root.Chart.AppVersion) | quote }}
{{- end -}}
{{- end }}

{{- define "keelson.logLevel" -}}
{{ (index .root.Values .component).logLevel | default .root.Values.logLevel }}
{{- end }}
