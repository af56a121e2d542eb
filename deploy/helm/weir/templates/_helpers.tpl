{{- define "weir.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "weir.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains (include "weir.name" .) .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "weir.name" .) | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "weir.selector" -}}
app.kubernetes.io/name: {{ include "weir.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "weir.labels" -}}
{{ include "weir.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: weir
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "weir.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- define "weir.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{ .Values.serviceAccount.name | default (include "weir.fullname" .) }}
{{- else -}}
{{ .Values.serviceAccount.name | default "default" }}
{{- end -}}
{{- end -}}

{{- define "weir.secret" -}}
{{ .Values.secrets.existingSecret | default (include "weir.fullname" .) }}
{{- end -}}

{{- define "weir.size" -}}
small: { workers: 1, resources: { requests: { cpu: 500m, memory: 1Gi }, limits: { cpu: 1000m, memory: 2Gi } } }
medium: { workers: 2, resources: { requests: { cpu: 1000m, memory: 2Gi }, limits: { cpu: 2000m, memory: 4Gi } } }
large: { workers: 4, resources: { requests: { cpu: 2000m, memory: 4Gi }, limits: { cpu: 4000m, memory: 8Gi } } }
{{- end -}}

{{- define "weir.workers" -}}
{{- if not (kindIs "invalid" .Values.workers) -}}
{{ .Values.workers }}
{{- else -}}
{{ get (get (include "weir.size" . | fromYaml) .Values.size) "workers" }}
{{- end -}}
{{- end -}}

{{- define "weir.resources" -}}
{{- $size := get (get (include "weir.size" . | fromYaml) .Values.size) "resources" -}}
{{- $disk := dict "requests" (dict "ephemeral-storage" "256Mi") "limits" (dict "ephemeral-storage" "2Gi") -}}
{{- toYaml (mergeOverwrite $size $disk (deepCopy .Values.resources)) -}}
{{- end -}}

{{- define "weir.podSecurity" -}}
runAsNonRoot: true
runAsUser: 1000
runAsGroup: 1000
fsGroup: 1000
fsGroupChangePolicy: OnRootMismatch
seccompProfile: { type: RuntimeDefault }
{{- end -}}

{{- define "weir.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end -}}

{{- define "weir.env" -}}
- { name: WEIR_CONFIG, value: /etc/weir/weir.yaml }
- { name: WEIR_DATA_DIR, value: /var/lib/weir }
# No engine runs in the pod.
- { name: WEIR_DETECT_ENGINES, value: "0" }
{{- if .Values.certificateAuthorities.configMap }}
- { name: NODE_EXTRA_CA_CERTS, value: /etc/weir-ca/ca.crt }
{{- end }}
{{- with .Values.env }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Seconds of a duration such as 120s or 2m. */}}
{{- define "weir.seconds" -}}
{{- $text := toString . -}}
{{- $number := regexFind "^[0-9]+" $text | int -}}
{{- if hasSuffix "ms" $text -}}{{ div $number 1000 }}
{{- else if hasSuffix "s" $text -}}{{ $number }}
{{- else if hasSuffix "m" $text -}}{{ mul $number 60 }}
{{- else if hasSuffix "h" $text -}}{{ mul $number 3600 }}
{{- else -}}{{ fail (printf "config.server.drain_timeout: %q is no duration such as 120s" $text) }}
{{- end -}}
{{- end -}}

{{/* Rejects values that contradict each other. */}}
{{- define "weir.check" -}}
{{- $sources := 0 -}}
{{- if .Values.secrets.existingSecret }}{{ $sources = add $sources 1 }}{{ end -}}
{{- if .Values.secrets.external.enabled }}{{ $sources = add $sources 1 }}{{ end -}}
{{- if .Values.secrets.values }}{{ $sources = add $sources 1 }}{{ end -}}
{{- if ne (int $sources) 1 -}}
{{- fail (printf "secrets: %d sources are set. Set exactly one of secrets.existingSecret, secrets.external.enabled and secrets.values." (int $sources)) -}}
{{- end -}}
{{- $server := .Values.config.server | default dict -}}
{{- $drain := include "weir.seconds" ($server.drain_timeout | default "30s") | int -}}
{{- $needed := add $drain (int .Values.preStopSeconds) -}}
{{- if le (int .Values.terminationGracePeriodSeconds) (int $needed) -}}
{{- fail (printf "terminationGracePeriodSeconds: %d is not above preStopSeconds and config.server.drain_timeout together (%d). Requests in flight would be cut." (int .Values.terminationGracePeriodSeconds) (int $needed)) -}}
{{- end -}}
{{- if eq .Values.storage.backend "sqlite" -}}
{{- if .Values.autoscaling.enabled }}{{ fail "autoscaling.enabled: gateways with SQLite do not share data. Set it to false, or storage.backend to postgres." }}{{ end -}}
{{- if ne (int .Values.replicas) 1 }}{{ fail "replicas: gateways with SQLite do not share data. Set it to 1, or storage.backend to postgres." }}{{ end -}}
{{- if ne .Values.size "small" }}{{ fail "size: workers need Redis. Use small with storage.backend sqlite." }}{{ end -}}
{{- end -}}
{{- if and .Values.autoscaling.enabled (gt (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas)) -}}
{{- fail "autoscaling: minReplicas is above maxReplicas." -}}
{{- end -}}
{{- if and .Values.scheduledScaling.enabled (not .Values.autoscaling.enabled) -}}
{{- fail "scheduledScaling.enabled: it changes the autoscaler, which autoscaling.enabled turns off." -}}
{{- end -}}
{{- if and .Values.ingress.enabled (not .Values.ingress.host) }}{{ fail "ingress.host: name the host of the gateway." }}{{ end -}}
{{- if and .Values.gatewayApi.enabled (not .Values.gatewayApi.parentRefs) }}{{ fail "gatewayApi.parentRefs: name the Gateway that the route belongs to." }}{{ end -}}
{{- end -}}
