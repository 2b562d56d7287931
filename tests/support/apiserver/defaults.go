package main

import (
	"encoding/json"
	"fmt"
	"slices"
)

// What the real server fills in, as far as readers of these kinds depend on it.

func (s *server) fillDefaults(k *kind, doc document) {
	switch k.id() {
	case "namespaces":
		labels, _ := doc.metadata()["labels"].(map[string]any)
		if labels == nil {
			labels = map[string]any{}
			doc.metadata()["labels"] = labels
		}
		labels["kubernetes.io/metadata.name"] = doc.text("metadata.name")
		setIfAbsent(doc, "status", map[string]any{"phase": "Active"})
	case "pods":
		setIfAbsent(doc, "status", map[string]any{"phase": "Pending"})
		setIfAbsent(inner(doc, "spec"), "serviceAccountName", "default")
	case "services":
		s.fillService(doc)
	case "customresourcedefinitions.apiextensions.k8s.io":
		fillDefinition(doc)
	}
}

func inner(fields map[string]any, name string) map[string]any {
	value, ok := fields[name].(map[string]any)
	if !ok {
		value = map[string]any{}
		fields[name] = value
	}
	return value
}

// fillService allocates a cluster address from 10.96.0.0/12. The caller holds the store.
func (s *server) fillService(doc document) {
	spec := inner(doc, "spec")
	setIfAbsent(spec, "type", "ClusterIP")
	setIfAbsent(doc, "status", map[string]any{"loadBalancer": map[string]any{}})
	if spec["type"] == "ExternalName" {
		return
	}
	if address, _ := spec["clusterIP"].(string); address == "" {
		s.lastClusterIP++
		n := s.lastClusterIP
		spec["clusterIP"] = fmt.Sprintf("10.%d.%d.%d", 96+n>>16&15, n>>8&255, n&255)
	}
	setIfAbsent(spec, "clusterIPs", []any{spec["clusterIP"]})
	setIfAbsent(spec, "ipFamilies", []any{"IPv4"})
	setIfAbsent(spec, "sessionAffinity", "None")
	for _, item := range doc.list("spec.ports") {
		port, ok := item.(map[string]any)
		if !ok {
			continue
		}
		setIfAbsent(port, "protocol", "TCP")
		setIfAbsent(port, "targetPort", port["port"])
	}
}

// keepAllocated lets an update leave out what the server chose.
func (s *server) keepAllocated(k *kind, doc, before document) {
	if k.id() == "services" {
		old := inner(before, "spec")
		for _, name := range []string{"clusterIP", "clusterIPs"} {
			if value, ok := old[name]; ok {
				setIfAbsent(inner(doc, "spec"), name, value)
			}
		}
	}
	if k.id() == "services" || k.id() == "namespaces" || k.id() == "pods" {
		s.fillDefaults(k, doc)
	}
}

func fillDefinition(doc document) {
	condition := func(name, reason string) any {
		return map[string]any{"type": name, "status": "True", "reason": reason, "lastTransitionTime": now()}
	}
	var stored []any
	for _, item := range doc.list("spec.versions") {
		if version, ok := item.(map[string]any); ok && version["storage"] == true {
			stored = append(stored, version["name"])
		}
	}
	doc["status"] = map[string]any{"acceptedNames": inner(inner(doc, "spec"), "names"), "storedVersions": stored,
		"conditions": []any{condition("NamesAccepted", "NoConflicts"), condition("Established", "InitialNamesAccepted")}}
}

// learnDefinition begins to serve the kind of a stored CustomResourceDefinition, or serves it anew.
func (s *server) learnDefinition(o *object) {
	var definition struct {
		Spec struct {
			Group, Scope string
			Names        struct {
				Plural, Singular, Kind string
				ShortNames, Categories []string
			}
			Versions []struct {
				Name         string
				Served       bool
				Subresources struct{ Status json.RawMessage }
			}
		}
	}
	if err := json.Unmarshal(append([]byte("{"), o.text...), &definition); err != nil {
		return // refused by check before it was stored
	}
	spec := definition.Spec
	k := &kind{group: spec.Group, plural: spec.Names.Plural, singular: spec.Names.Singular, name: spec.Names.Kind,
		shortNames: spec.Names.ShortNames, categories: spec.Names.Categories, namespaced: spec.Scope == "Namespaced",
		custom: true}
	for _, version := range spec.Versions {
		if version.Served {
			k.versions = append(k.versions, version.Name)
		}
		k.hasStatus = k.hasStatus || version.Subresources.Status != nil
	}
	if known, err := s.kinds.byID(k.id()); err == nil && known.custom && slices.Equal(known.versions, k.versions) {
		return
	}
	s.kinds.define(k)
	s.store.setGone(k, false)
}

// forgetDefinition ends the watches of a kind whose definition was deleted.
func (s *server) forgetDefinition(definition *object) {
	k, err := s.kinds.byID(definition.name())
	if err != nil || !k.custom {
		return
	}
	s.kinds.forget(k.id())
	s.store.setGone(k, true)
}
