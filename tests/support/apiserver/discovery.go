package main

import (
	"net/http"
	"slices"
	"strings"
)

// Discovery in both forms: one document per group version, and the aggregated one that kubectl asks for.

const aggregatedV2 = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"

var versionInfo = map[string]string{"major": "1", "minor": "34", "gitVersion": "v1.34.0-keelson-standin",
	"gitCommit": "", "gitTreeState": "clean", "buildDate": "2026-01-01T00:00:00Z", "goVersion": "go1.26",
	"compiler": "gc", "platform": "linux/amd64"}

func (s *server) serveDiscovery(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimSuffix(r.URL.Path, "/")
	isAggregated := (path == "/api" || path == "/apis") && wantsAggregated(r)
	parts := strings.Split(strings.Trim(path, "/"), "/")
	switch {
	case path == "/version":
		writeJSON(w, http.StatusOK, versionInfo)
	case isPublic(path):
		w.Write([]byte("ok"))
	case isAggregated:
		s.serveAggregated(w, path == "/api")
	case path == "/api":
		writeJSON(w, http.StatusOK, map[string]any{"kind": "APIVersions", "versions": []string{"v1"},
			"serverAddressByClientCIDRs": []any{map[string]any{"clientCIDR": "0.0.0.0/0", "serverAddress": r.Host}}})
	case path == "/apis":
		writeJSON(w, http.StatusOK, s.groupList())
	case len(parts) == 2 && parts[0] == "api":
		s.serveResources(w, "", parts[1])
	case len(parts) == 2 && parts[0] == "apis":
		s.serveGroup(w, parts[1])
	case len(parts) == 3 && parts[0] == "apis":
		s.serveResources(w, parts[1], parts[2])
	default:
		http.Error(w, "404 page not found", http.StatusNotFound)
	}
}

func wantsAggregated(r *http.Request) bool {
	for _, offer := range strings.Split(r.Header.Get("Accept"), ",") {
		if _, as := parseOffer(offer); as == "APIGroupDiscoveryList" && strings.Contains(offer, "v=v2") &&
			!strings.Contains(offer, "v=v2beta1") {
			return true
		}
	}
	return false
}

// group is the kinds of one API group, with its versions in order of preference.
type group struct {
	name     string
	versions []string
	kinds    []*kind
}

func (s *server) groups(isCore bool) []group {
	var list []group
	for _, k := range s.discoverable() {
		if (k.group == "") != isCore {
			continue
		}
		if len(list) == 0 || list[len(list)-1].name != k.group {
			list = append(list, group{name: k.group})
		}
		last := &list[len(list)-1]
		last.kinds = append(last.kinds, k)
		for _, version := range k.versions {
			if !slices.Contains(last.versions, version) {
				last.versions = append(last.versions, version)
			}
		}
	}
	return list
}

// discoverable is the served kinds and the one that only answers, tokenreviews.
func (s *server) discoverable() []*kind {
	var list []*kind
	reviews := tokenReviewKind()
	for _, k := range s.kinds.served() {
		if reviews != nil && k.group > reviews.group {
			list, reviews = append(list, reviews), nil
		}
		list = append(list, k)
	}
	if reviews != nil {
		list = append(list, reviews)
	}
	return list
}

func verbsOf(k *kind) []string {
	if k.plural == "tokenreviews" {
		return []string{"create"}
	}
	return []string{"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"}
}

func (g *group) describe() map[string]any {
	var versions []any
	for _, version := range g.versions {
		versions = append(versions, map[string]any{"groupVersion": g.name + "/" + version, "version": version})
	}
	return map[string]any{"name": g.name, "versions": versions, "preferredVersion": versions[0]}
}

func (s *server) groupList() any {
	groups := []any{}
	for _, g := range s.groups(false) {
		groups = append(groups, g.describe())
	}
	return map[string]any{"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
}

func (s *server) serveGroup(w http.ResponseWriter, name string) {
	for _, g := range s.groups(false) {
		if g.name == name {
			description := g.describe()
			description["kind"], description["apiVersion"] = "APIGroup", "v1"
			writeJSON(w, http.StatusOK, description)
			return
		}
	}
	http.Error(w, "404 page not found", http.StatusNotFound)
}

func (s *server) serveResources(w http.ResponseWriter, groupName, version string) {
	resources := []any{}
	groupVersion := ""
	for _, k := range s.discoverable() {
		if k.group != groupName || !k.serves(version) {
			continue
		}
		groupVersion = k.apiVersion(version)
		resource := map[string]any{"name": k.plural, "singularName": k.singular, "namespaced": k.namespaced,
			"kind": k.name, "verbs": verbsOf(k)}
		if len(k.shortNames) > 0 {
			resource["shortNames"] = k.shortNames
		}
		if len(k.categories) > 0 {
			resource["categories"] = k.categories
		}
		resources = append(resources, resource)
		for _, sub := range subresources(k, version) {
			resources = append(resources, map[string]any{"name": k.plural + "/" + sub.name, "singularName": "",
				"namespaced": k.namespaced, "kind": sub.kind, "verbs": sub.verbs})
		}
	}
	if groupVersion == "" {
		http.Error(w, "404 page not found", http.StatusNotFound)
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{"kind": "APIResourceList", "apiVersion": "v1",
		"groupVersion": groupVersion, "resources": resources})
}

type subresource struct {
	name, group, version, kind string
	verbs                      []string
}

func subresources(k *kind, version string) []subresource {
	switch {
	case k.id() == "serviceaccounts":
		return []subresource{{"token", "authentication.k8s.io", "v1", "TokenRequest", []string{"create"}}}
	case k.hasStatus:
		return []subresource{{"status", k.group, version, k.name, []string{"get", "patch", "update"}}}
	}
	return nil
}

func (s *server) serveAggregated(w http.ResponseWriter, isCore bool) {
	items := []any{}
	for _, g := range s.groups(isCore) {
		var versions []any
		for _, version := range g.versions {
			versions = append(versions, map[string]any{"version": version, "freshness": "Current",
				"resources": aggregatedResources(&g, version)})
		}
		items = append(items, map[string]any{"metadata": map[string]any{"name": g.name, "creationTimestamp": nil},
			"versions": versions})
	}
	writeJSONAs(w, http.StatusOK, aggregatedV2, map[string]any{"kind": "APIGroupDiscoveryList",
		"apiVersion": "apidiscovery.k8s.io/v2", "metadata": map[string]any{}, "items": items})
}

func aggregatedResources(g *group, version string) []any {
	resources := []any{}
	for _, k := range g.kinds {
		if !k.serves(version) {
			continue
		}
		scope := "Cluster"
		if k.namespaced {
			scope = "Namespaced"
		}
		var subs []any
		for _, sub := range subresources(k, version) {
			subs = append(subs, map[string]any{"subresource": sub.name, "verbs": sub.verbs,
				"responseKind": map[string]any{"group": sub.group, "version": sub.version, "kind": sub.kind}})
		}
		resources = append(resources, map[string]any{"resource": k.plural, "singularResource": k.singular,
			"scope": scope, "verbs": verbsOf(k), "shortNames": k.shortNames, "categories": k.categories,
			"subresources": subs,
			"responseKind": map[string]any{"group": k.group, "version": version, "kind": k.name}})
	}
	return resources
}
