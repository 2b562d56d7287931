package main

import (
	"fmt"
	"strings"
)

// loadPreset stores what a fresh cluster has: namespaces with their service account, and the definitions
// of the kinds that the mesh reads and writes.
func (s *server) loadPreset() {
	for _, name := range []string{"default", "kube-system", "kube-public", "kube-node-lease"} {
		s.mustLoad(`{"apiVersion":"v1","kind":"Namespace","metadata":{"name":%q}}`, name)
		s.mustLoad(`{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"default","namespace":%q}}`, name)
	}
	for _, d := range []presetDefinition{
		{"keelson.dev", "NodeState", "nodestates", "Cluster", "", []string{"v1alpha1"}},
		{"gateway.networking.k8s.io", "HTTPRoute", "httproutes", "Namespaced", statusPart, []string{"v1", "v1beta1"}},
		{"gateway.networking.k8s.io", "ReferenceGrant", "referencegrants", "Namespaced", "", []string{"v1", "v1beta1"}},
		{"security.istio.io", "AuthorizationPolicy", "authorizationpolicies", "Namespaced", statusPart, []string{"v1", "v1beta1"}},
		{"security.istio.io", "PeerAuthentication", "peerauthentications", "Namespaced", statusPart, []string{"v1", "v1beta1"}},
	} {
		s.mustLoad("%s", d.text())
	}
}

const statusPart = `"subresources":{"status":{}},`

type presetDefinition struct {
	group, kind, plural, scope, subresources string
	versions                                 []string
}

func (d *presetDefinition) text() string {
	versions := ""
	for i, name := range d.versions {
		if i > 0 {
			versions += ","
		}
		versions += fmt.Sprintf(`{"name":%q,"served":true,"storage":%t,%s"schema":{"openAPIV3Schema":{"type":"object",`+
			`"x-kubernetes-preserve-unknown-fields":true}}}`, name, i == 0, d.subresources)
	}
	return fmt.Sprintf(`{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"%s.%s"},`+
		`"spec":{"group":%q,"scope":%q,"names":{"kind":%q,"listKind":"%sList","plural":%q,"singular":%q},"versions":[%s]}}`,
		d.plural, d.group, d.group, d.scope, d.kind, d.kind, d.plural, strings.ToLower(d.kind), versions)
}

func (s *server) mustLoad(format string, arguments ...any) {
	if _, err := s.load([]byte(fmt.Sprintf(format, arguments...))); err != nil {
		panic(fmt.Sprintf("preset: %v", err))
	}
}
