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
{{- define "countersign.config" -}}
{{- $host := ternary "127.0.0.1" "0.0.0.0" (eq .Values.kind "DaemonSet") -}}
{{- $own := dict
  "apiVersion" "countersign.dev/v1alpha1"
  "kind" "CountersignConfiguration"
  "server" (dict
    "address" (printf "%s:%v" $host .Values.ports.reviews)
    "tls" (dict "certificateFile" "/etc/countersign/tls/tls.crt" "privateKeyFile" "/etc/countersign/tls/tls.key")
    "callers" (dict "clientCertificateAuthorityFile" "/etc/countersign/callers/callers-ca.crt"))
  "admin" (dict "address" (printf "%s:%v" $host .Values.ports.admin))
  "authenticationConfigurationFile" "authentication.yaml"
  "stateDirectory" "/var/lib/countersign/state" -}}
{{- mergeOverwrite (deepCopy .Values.config) $own | toYaml -}}
{{- end }}
