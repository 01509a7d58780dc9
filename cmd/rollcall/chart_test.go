//go:build chart

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// TestChart lints and renders the chart with helm, which `make chart` builds.
func TestChart(t *testing.T) {
	helm := os.Getenv("ROLLCALL_HELM")
	if helm == "" {
		t.Fatal("run `make chart`, which builds helm")
	}
	const redis = "store.url=rediss://redis.example.com:6379/0"
	runTool(t, helm, "lint", "--strict", chart, "--set", redis)
	render := func(set ...string) (map[string][]map[string]any, error) {
		args := []string{"template", "demo", chart, "--kube-version", "1.30", "--api-versions", "monitoring.coreos.com/v1"}
		for _, s := range set {
			args = append(args, "--set", s)
		}
		out, err := exec.Command(helm, args...).CombinedOutput()
		if err != nil {
			return nil, fmt.Errorf("%w: %s", err, out)
		}
		kinds := map[string][]map[string]any{}
		for _, doc := range strings.Split(string(out), "\n---\n") {
			var object map[string]any
			if err := yaml.Unmarshal([]byte(doc), &object); err != nil {
				return nil, fmt.Errorf("%w\n%s", err, doc)
			}
			if kind, ok := object["kind"].(string); ok {
				kinds[kind] = append(kinds[kind], object)
			}
		}
		return kinds, nil
	}
	for set, says := range map[string]string{
		"replicaCount=2": "store.url is missing", "store.embedded.enabled=true": "is for one replica", "image.pullPolicy=Sometimes": "pullPolicy", "x=1": "additional properties",
	} {
		if _, err := render(set); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("with %s helm says %v, want %q", set, err, says)
		}
	}
	all, err := render(redis, "store.existingSecret=redis", "bootstrap.existingSecret=first", "secretFiles.ldap.existingSecret=ldap", "autoscaling.enabled=true",
		"ingress.enabled=true", "ingress.tlsSecret=tls", "networkPolicy.enabled=true", "metrics.serviceMonitor.enabled=true", "metrics.prometheusRule.enabled=true",
		"metrics.prometheusRule.runbookBaseURL=https://wiki.example.com", "metrics.dashboard.enabled=true", "config.logging.level=debug")
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"Deployment", "Service", "ServiceAccount", "PodDisruptionBudget", "HorizontalPodAutoscaler", "Ingress", "NetworkPolicy", "ServiceMonitor", "PrometheusRule", "ConfigMap"} {
		if len(all[kind]) == 0 {
			t.Errorf("no %s is rendered", kind)
		}
	}
	container := dig(all["Deployment"][0], "spec", "template", "spec", "containers").([]any)[0].(map[string]any)
	if ro := dig(container, "securityContext", "readOnlyRootFilesystem"); ro != true {
		t.Errorf("readOnlyRootFilesystem is %v", ro)
	}
	var words []string
	for _, arg := range container["args"].([]any) {
		words = append(words, arg.(string))
	}
	if err := documented(t, words); err != nil {
		t.Errorf("the container runs rollcall %q: %v", words, err)
	}
	var environ []string
	for _, e := range container["env"].([]any) {
		name, value := dig(e, "name").(string), dig(e, "value").(string)
		if strings.HasSuffix(name, "_FILE") {
			value = write(t, filepath.Join(t.TempDir(), "secret"), "0123456789abcdef0123456789abcdef", 0o600)
		}
		environ = append(environ, name+"="+value)
	}
	file := write(t, filepath.Join(t.TempDir(), "rollcall.yaml"), dig(all["ConfigMap"][0], "data", "rollcall.yaml").(string), 0o600)
	config, origins, err := Load(Options{File: file, Environ: environ, Validators: validators()})
	if err != nil || len(origins.Warnings) > 0 || config.Logging.Level != "debug" || config.Store.URL != "rediss://redis.example.com:6379/0" {
		t.Errorf("the container's settings: %v %v", err, origins.Warnings)
	}
	one, err := render("store.embedded.enabled=true", "replicaCount=1")
	if err != nil || len(one["PersistentVolumeClaim"]) != 1 || len(one["PodDisruptionBudget"]) != 0 || dig(one["Deployment"][0], "spec", "strategy", "type") != "Recreate" {
		t.Errorf("the embedded store: %v %v", err, reflect.ValueOf(one).MapKeys())
	}
	rule, err := json.Marshal(all["PrometheusRule"][0])
	if err != nil || !strings.Contains(string(rule), "https://wiki.example.com/docs/runbooks/RollcallStoreDown.md") || !strings.Contains(string(rule), "{{ $labels.source }}") {
		t.Errorf("the rules are not as they were: %v %s", err, rule)
	}
}
