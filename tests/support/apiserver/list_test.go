package main

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
)

func names(a answer) string {
	var list []string
	for _, item := range a.body.list("items") {
		list = append(list, document(item.(map[string]any)).text("metadata.name"))
	}
	return strings.Join(list, " ")
}

func TestPagesShowOneStateWhileItChanges(t *testing.T) {
	s := startStandin(t)
	for _, name := range []string{"a", "b", "c", "d"} {
		s.makeMap(name)
	}
	first := s.get(maps+"?limit=2").want(t, 200)
	s.do("DELETE", maps+"/c", "", "").want(t, 200)
	s.makeMap("e")
	s.do("PATCH", maps+"/d", mergePatch, `{"data":{"new":"1"}}`).want(t, 200)
	second := s.get(maps+"?limit=2&continue="+first.body.text("metadata.continue")).want(t, 200)
	if names(first) != "a b" || names(second) != "c d" || strings.Contains(string(second.text), "new") {
		t.Errorf("pages %q and %q: %s", names(first), names(second), second.text)
	}
	if first.body.text("metadata.resourceVersion") != second.body.text("metadata.resourceVersion") {
		t.Error("the pages of one list have two versions")
	}
	if now := names(s.get(maps)); now != "a b d e" {
		t.Errorf("now there is %q", now)
	}
}

func TestAContinuedListTooOldIsGoneAndMayGoOnInconsistently(t *testing.T) {
	s := startStandin(t)
	for _, name := range []string{"a", "b", "c"} {
		s.makeMap(name)
	}
	first := s.get(maps+"?limit=1").want(t, 200)
	s.steer("POST", "/standin/expire/configmaps", "", nil)
	gone := s.get(maps+"?limit=1&continue="+first.body.text("metadata.continue")).want(t, 410)
	if gone.body.text("reason") != "Expired" {
		t.Errorf("reason: %s", gone.text)
	}
	rest := s.get(maps+"?continue="+gone.body.text("metadata.continue")).want(t, 200)
	if names(rest) != "b c" {
		t.Errorf("the rest is %q", names(rest))
	}
}

func TestListsAtVersions(t *testing.T) {
	s := startStandin(t)
	version := s.makeMap("a").body.text("metadata.resourceVersion")
	s.makeMap("b")
	future := fmt.Sprint(s.run.server.store.current() + 5)
	for _, c := range []struct {
		query  string
		status int
		names  string
	}{
		{"", 200, "a b"},
		{"?resourceVersion=0&limit=1", 200, "a b"},
		{"?resourceVersion=" + version, 200, "a b"},
		{"?resourceVersion=" + version + "&resourceVersionMatch=NotOlderThan&limit=1", 200, "a"},
		{"?resourceVersion=" + version + "&resourceVersionMatch=Exact", 200, "a"},
		{"?resourceVersion=" + version + "&limit=5", 200, "a"},
		{"?resourceVersion=1&resourceVersionMatch=Exact", 410, ""},
		{"?resourceVersion=" + future, 504, ""},
		{"?resourceVersion=x", 400, ""},
		{"?resourceVersionMatch=Exact", 422, ""},
		{"?resourceVersion=0&resourceVersionMatch=Exact", 422, ""},
		{"?resourceVersion=5&resourceVersionMatch=Newest", 422, ""},
		{"?sendInitialEvents=true", 422, ""},
		{"?continue=x", 400, ""},
		{"?limit=-1", 400, ""},
		{"?watch=true&sendInitialEvents=true", 422, ""},
		{"?watch=true&resourceVersionMatch=NotOlderThan", 422, ""},
	} {
		if got := s.get(maps + c.query); got.status != c.status || names(got) != c.names {
			t.Errorf("%q: %d %q, not %d %q", c.query, got.status, names(got), c.status, c.names)
		}
	}
}

func TestSelectors(t *testing.T) {
	s := startStandin(t)
	for name, labels := range map[string]string{"a": `{"app":"web","tier":"1"}`, "b": `{"app":"cart"}`, "c": `{}`} {
		s.do("POST", maps, "application/json", `{"metadata":{"name":"`+name+`","labels":`+labels+`}}`).want(t, 201)
	}
	for _, c := range []struct{ parameter, selector, names string }{
		{"labelSelector", "app=web", "a"},
		{"labelSelector", "app==web", "a"},
		{"labelSelector", "app!=web", "b c"},
		{"labelSelector", "app in (web, cart)", "a b"},
		{"labelSelector", "app notin (web)", "b c"},
		{"labelSelector", "app", "a b"},
		{"labelSelector", "!app", "c"},
		{"labelSelector", "app in (web,cart),!tier", "b"},
		{"fieldSelector", "metadata.name=b", "b"},
		{"fieldSelector", "metadata.name!=b", "a c"},
		{"fieldSelector", "metadata.namespace=default,metadata.name==c", "c"},
	} {
		got := s.get(maps + "?" + c.parameter + "=" + url.QueryEscape(c.selector))
		if got.status != 200 || names(got) != c.names {
			t.Errorf("%s: %d %q, not %q", c.selector, got.status, names(got), c.names)
		}
	}
	for _, query := range []string{"labelSelector=a+b", "labelSelector=a+in+web", "fieldSelector=data.x%3D1", "fieldSelector=x"} {
		s.get(maps+"?"+query).want(t, 400)
	}
}

func TestItemsOfBuiltinKindsHaveNoTypeAndOthersDo(t *testing.T) {
	s := startStandin(t)
	s.makeMap("a")
	s.load(document{"apiVersion": "keelson.dev/v1alpha1", "kind": "NodeState", "metadata": map[string]any{"name": "n1"}, "pods": []any{}})
	if text := string(s.get(maps).text); strings.Count(text, `"kind"`) != 1 {
		t.Errorf("a type in an item: %s", text)
	}
	if text := string(s.get("/apis/keelson.dev/v1alpha1/nodestates").text); strings.Count(text, `"kind":"NodeState"`) != 1 {
		t.Errorf("no type in an item: %s", text)
	}
	one := s.do("GET", maps, "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1", "").want(t, 200)
	if one.body.text("kind") != "PartialObjectMetadataList" || names(one) != "a" {
		t.Errorf("not a list of metadata: %s", one.text)
	}
}

func TestAGeneratedClusterAgreesWithItself(t *testing.T) {
	s := startStandin(t)
	s.steer("POST", "/standin/generate", `{"nodes":5,"namespaces":3,"services":7,"pods":50}`, nil)
	s.steer("POST", "/standin/generate", `{"nodes":5,"namespaces":3,"services":7,"pods":50}`, nil) // again: the same objects
	pods := map[string]document{}
	for _, item := range s.get("/api/v1/pods").want(t, 200).body.list("items") {
		pod := document(item.(map[string]any))
		pods[pod.text("metadata.uid")] = pod
	}
	inSlices, inStates := 0, 0
	for _, item := range s.get("/apis/discovery.k8s.io/v1/endpointslices").want(t, 200).body.list("items") {
		for _, entry := range document(item.(map[string]any)).list("endpoints") {
			endpoint := document(entry.(map[string]any))
			pod := pods[endpoint.text("targetRef.uid")]
			if endpoint.list("addresses")[0] != pod.text("status.podIP") || endpoint.text("nodeName") != pod.text("spec.nodeName") {
				t.Errorf("endpoint %v of pod %v", endpoint, pod)
			}
			inSlices++
		}
	}
	for _, item := range s.get("/apis/keelson.dev/v1alpha1/nodestates").want(t, 200).body.list("items") {
		state := document(item.(map[string]any))
		for _, entry := range state.list("pods") {
			pod := pods[document(entry.(map[string]any)).text("uid")]
			if pod.text("spec.nodeName") != state.text("metadata.name") {
				t.Errorf("%s lists %v", state.text("metadata.name"), entry)
			}
			inStates++
		}
	}
	if len(pods) != 50 || inSlices != 50 || inStates != 50 {
		t.Errorf("%d pods, %d in slices, %d in node states", len(pods), inSlices, inStates)
	}
}
