package main

import (
	"fmt"
	"sort"
	"strings"
	"sync"
)

// kind is one resource type. Every version is served from the same objects; the first is preferred.
type kind struct {
	group      string
	versions   []string
	plural     string
	singular   string
	name       string // as "Pod"
	shortNames []string
	categories []string
	namespaced bool
	hasStatus  bool     // /status is a subresource; other writes leave .status alone
	custom     bool     // defined by a CustomResourceDefinition
	needsRV    bool     // an update must name the version that it replaces
	fields     []string // paths that field selectors may use beside metadata.name and metadata.namespace
}

// id is unique and what the control API calls a kind: pods, endpointslices.discovery.k8s.io.
func (k *kind) id() string { return kindID(k.plural, k.group) }

func kindID(plural, group string) string {
	if group == "" {
		return plural
	}
	return plural + "." + group
}

func (k *kind) qualified() string { return k.id() }

func (k *kind) details(name string) map[string]any {
	details := map[string]any{"kind": k.plural}
	if name != "" {
		details["name"] = name
	}
	if k.group != "" {
		details["group"] = k.group
	}
	return details
}

func (k *kind) apiVersion(version string) string {
	if k.group == "" {
		return version
	}
	return k.group + "/" + version
}

// typePrefix is how an object of this kind begins; stored text begins with its metadata.
func (k *kind) typePrefix(version string) string {
	return fmt.Sprintf(`{"apiVersion":%q,"kind":%q,`, k.apiVersion(version), k.name)
}

func (k *kind) serves(version string) bool {
	for _, served := range k.versions {
		if served == version {
			return true
		}
	}
	return false
}

func builtinKinds() []*kind {
	kinds := []*kind{
		{plural: "namespaces", name: "Namespace", shortNames: []string{"ns"}, hasStatus: true},
		{plural: "nodes", name: "Node", shortNames: []string{"no"}, hasStatus: true},
		{plural: "pods", name: "Pod", shortNames: []string{"po"}, categories: []string{"all"}, namespaced: true,
			hasStatus: true, fields: []string{"spec.nodeName", "spec.serviceAccountName", "status.phase", "status.podIP"}},
		{plural: "services", name: "Service", shortNames: []string{"svc"}, categories: []string{"all"},
			namespaced: true, hasStatus: true},
		{plural: "serviceaccounts", name: "ServiceAccount", shortNames: []string{"sa"}, namespaced: true},
		{plural: "secrets", name: "Secret", namespaced: true, fields: []string{"type"}},
		{plural: "configmaps", name: "ConfigMap", shortNames: []string{"cm"}, namespaced: true},
		{plural: "events", name: "Event", shortNames: []string{"ev"}, namespaced: true,
			fields: []string{"involvedObject.kind", "involvedObject.namespace", "involvedObject.name",
				"involvedObject.uid", "reason", "type"}},
		{group: "events.k8s.io", plural: "events", name: "Event", shortNames: []string{"ev"}, namespaced: true},
		{group: "discovery.k8s.io", plural: "endpointslices", name: "EndpointSlice", namespaced: true},
		{group: "coordination.k8s.io", plural: "leases", name: "Lease", namespaced: true, needsRV: true},
		{group: "apiextensions.k8s.io", plural: "customresourcedefinitions", name: "CustomResourceDefinition",
			shortNames: []string{"crd", "crds"}, hasStatus: true, needsRV: true},
	}
	for _, k := range kinds {
		k.versions = []string{"v1"}
		k.singular = strings.ToLower(k.name)
	}
	return kinds
}

// registry knows which kinds are served now: the built-in ones, those of the stored
// CustomResourceDefinitions, without those that the control API hides.
type registry struct {
	mu     sync.RWMutex
	kinds  map[string]*kind
	hidden map[string]bool
}

func newRegistry() *registry {
	r := &registry{kinds: map[string]*kind{}, hidden: map[string]bool{}}
	for _, k := range builtinKinds() {
		r.kinds[k.id()] = k
	}
	return r
}

// find returns the served kind, or nil.
func (r *registry) find(group, version, plural string) *kind {
	r.mu.RLock()
	defer r.mu.RUnlock()
	id := kindID(plural, group)
	k := r.kinds[id]
	if k == nil || r.hidden[id] || !k.serves(version) {
		return nil
	}
	return k
}

// builtin returns a kind that is always known.
func (r *registry) builtin(id string) *kind {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.kinds[id]
}

// byID also finds hidden kinds. A plural alone is enough where it is unique.
func (r *registry) byID(id string) (*kind, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if k := r.kinds[id]; k != nil {
		return k, nil
	}
	var found *kind
	for _, k := range r.kinds {
		if k.plural != id {
			continue
		}
		if found != nil {
			return nil, fmt.Errorf("kind %q: %s and %s both have that name, add the group", id, found.id(), k.id())
		}
		found = k
	}
	if found == nil {
		return nil, fmt.Errorf("no kind %q, use PLURAL or PLURAL.GROUP of a kind that was served once", id)
	}
	return found, nil
}

// byName finds the kind of an object: group/version and Kind.
func (r *registry) byName(apiVersion, name string) (*kind, string, error) {
	group, version, hasGroup := strings.Cut(apiVersion, "/")
	if !hasGroup {
		group, version = "", apiVersion
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, k := range r.kinds {
		if k.group == group && k.name == name && k.serves(version) {
			return k, version, nil
		}
	}
	return nil, "", fmt.Errorf("no kind %s in %q is known: load its CustomResourceDefinition first", name, apiVersion)
}

func (r *registry) define(k *kind) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.kinds[k.id()] = k
}

func (r *registry) forget(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.kinds, id)
	delete(r.hidden, id)
}

func (r *registry) setHidden(id string, isHidden bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if isHidden {
		r.hidden[id] = true
	} else {
		delete(r.hidden, id)
	}
}

// served lists what discovery shows, in a fixed order.
func (r *registry) served() []*kind {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var list []*kind
	for id, k := range r.kinds {
		if !r.hidden[id] {
			list = append(list, k)
		}
	}
	sort.Slice(list, func(i, j int) bool {
		if list[i].group != list[j].group {
			return list[i].group < list[j].group
		}
		return list[i].plural < list[j].plural
	})
	return list
}
