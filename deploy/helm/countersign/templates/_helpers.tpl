{{- define "countersign.labels" -}}
app.kubernetes.io/name: countersign
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}
{{- define "countersign.selector" -}}
app.kubernetes.io/name: countersign
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
{{- define "countersign.isDaemonSet" -}}
{{- if eq .Values.kind "DaemonSet" }}true{{ else if ne .Values.kind "Deployment" }}{{ fail "kind: must be Deployment or DaemonSet" }}{{ end -}}
{{- end }}
{{- /* The host's own 8080 is often taken. */ -}}
{{- define "countersign.adminPort" -}}
{{- .Values.ports.admin | default (ternary 18080 8080 (eq .Values.kind "DaemonSet")) -}}
{{- end }}
{{- define "countersign.config" -}}
{{- $host := ternary "127.0.0.1" "0.0.0.0" (eq .Values.kind "DaemonSet") -}}
{{- $own := dict
  "apiVersion" "countersign.dev/v1alpha1"
  "kind" "CountersignConfiguration"
  "server" (dict
    "address" (printf "%s:%v" $host .Values.ports.reviews)
    "tls" (dict "certificateFile" "/etc/countersign/tls/tls.crt" "privateKeyFile" "/etc/countersign/tls/tls.key")
    "callers" (dict "clientCertificateAuthorityFile" "/etc/countersign/callers/callers-ca.crt"))
  "admin" (dict "address" (printf "%s:%s" $host (include "countersign.adminPort" .)))
  "authenticationConfigurationFile" "authentication.yaml"
  "stateDirectory" "/var/lib/countersign/state" -}}
{{- mergeOverwrite (deepCopy .Values.config) $own | toYaml -}}
{{- end }}
{{- define "countersign.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end -}}
{{- end }}
{{- /* What would be overlooked is refused. */ -}}
{{- define "countersign.contradictions" -}}
{{- $server := dig "server" dict .Values.config -}}
{{- range $field := list "address" "tls" -}}
  {{- if hasKey $server $field }}{{ fail (printf "config.server.%s: the chart sets it; see ports and tls" $field) }}{{ end -}}
{{- end -}}
{{- if hasKey (dig "callers" dict $server) "clientCertificateAuthorityFile" -}}
  {{- fail "config.server.callers.clientCertificateAuthorityFile: the chart sets it; see callers.configMapName" -}}
{{- end -}}
{{- range $field := list "admin" "authenticationConfiguration" "authenticationConfigurationFile" "stateDirectory" -}}
  {{- if hasKey $.Values.config $field }}{{ fail (printf "config.%s: the chart sets it; see ports and authenticationConfiguration" $field) }}{{ end -}}
{{- end -}}
{{- if eq (toString .Values.ports.reviews) (include "countersign.adminPort" .) -}}
  {{- fail (printf "ports.admin: %v is the port of reviews, too; give each its own" .Values.ports.reviews) -}}
{{- end -}}
{{- if .Values.autoscaling.enabled -}}
  {{- if lt (int .Values.replicas) 1 }}{{ fail "replicas: the autoscaler needs at least 1" }}{{ end -}}
  {{- if gt (int .Values.replicas) (int .Values.autoscaling.maxReplicas) }}{{ fail "autoscaling.maxReplicas: must not be less than replicas, which is the least that the autoscaler keeps" }}{{ end -}}
{{- end -}}
{{- if eq .Values.kind "DaemonSet" -}}
  {{- if .Values.prometheusRule.enabled }}{{ fail "prometheusRule.enabled: a DaemonSet's metrics are on loopback, where no Prometheus in the cluster's network reads them, so the alert of their absence would fire for ever" }}{{ end -}}
  {{- if .Values.service.clusterIP }}{{ fail "service.clusterIP: a DaemonSet listens on loopback and has no Service" }}{{ end -}}
  {{- if .Values.serviceMonitor.enabled }}{{ fail "serviceMonitor.enabled: a DaemonSet's metrics are on loopback, where nothing in the cluster's network reads them" }}{{ end -}}
  {{- if .Values.autoscaling.enabled }}{{ fail "autoscaling.enabled: a DaemonSet has as many pods as there are nodes" }}{{ end -}}
{{- end -}}
{{- end }}
