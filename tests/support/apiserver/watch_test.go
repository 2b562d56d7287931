package main

import (
	"fmt"
	"testing"
	"time"
)

func TestWatchSendsChangesAfterTheListedVersion(t *testing.T) {
	s := startStandin(t)
	s.makeMap("before")
	version := s.get(maps).want(t, 200).body.text("metadata.resourceVersion")
	w := s.watch(maps + "?watch=true&resourceVersion=" + version)
	s.makeMap("a")
	s.do("PATCH", maps+"/a", mergePatch, `{"data":{"x":"1"}}`).want(t, 200)
	s.do("DELETE", maps+"/a", "", "").want(t, 200)
	made := w.expect("ADDED a").Object.text("metadata.resourceVersion")
	if changed := w.expect("MODIFIED a").Object.text("metadata.resourceVersion"); changed == made {
		t.Error("a change has the version of the state before it")
	}
	w.expect("DELETED a")
}

func TestStreamingListEndsWithItsBookmark(t *testing.T) {
	s := startStandin(t)
	s.makeMap("a")
	s.makeMap("b")
	w := s.watch(maps + "?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true")
	w.expect("ADDED a")
	w.expect("ADDED b")
	mark := w.expect("BOOKMARK")
	if annotations, _ := mark.Object.metadata()["annotations"].(map[string]any); annotations["k8s.io/initial-events-end"] != "true" {
		t.Errorf("no annotation at the end of the initial events: %v", mark.Object)
	}
	if mark.Object.text("kind") != "ConfigMap" {
		t.Errorf("the bookmark's kind is %q", mark.Object.text("kind"))
	}
	s.makeMap("c")
	w.expect("ADDED c")
}

func TestStreamingListIsRefusedByAnOldServer(t *testing.T) {
	s := startStandin(t)
	s.steer("PUT", "/standin/settings", `{"streaming_lists":false}`, nil)
	refused := s.get(maps+"?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true").want(t, 422)
	if refused.body.text("reason") != "Invalid" {
		t.Errorf("reason: %s", refused.text)
	}
}

func TestWatchWithSelectorSeesObjectsComeAndGo(t *testing.T) {
	s := startStandin(t)
	s.makeMap("a")
	version := s.makeMap("b").body.text("metadata.resourceVersion")
	w := s.watch(maps + "?watch=true&labelSelector=on%3Dyes&resourceVersion=" + version)
	s.do("PATCH", maps+"/a", mergePatch, `{"metadata":{"labels":{"on":"yes"}}}`).want(t, 200)
	s.do("PATCH", maps+"/a", mergePatch, `{"data":{"x":"1"}}`).want(t, 200)
	s.do("PATCH", maps+"/a", mergePatch, `{"metadata":{"labels":null}}`).want(t, 200)
	s.do("PATCH", maps+"/b", mergePatch, `{"metadata":{"labels":{"on":"yes"}}}`).want(t, 200)
	w.expect("ADDED a")
	w.expect("MODIFIED a")
	w.expect("DELETED a")
	w.expect("ADDED b")
}

func TestWatchFromAForgottenVersionGetsAnErrorEvent(t *testing.T) {
	s := startStandin(t)
	s.steer("PUT", "/standin/settings", `{"history":2}`, nil)
	first := s.makeMap("a").body.text("metadata.resourceVersion")
	for i := range 4 {
		s.makeMap(fmt.Sprintf("b%d", i))
	}
	w := s.watch(maps + "?watch=true&resourceVersion=" + first)
	if event := w.expect("ERROR"); w.status != 200 || event.Object.text("reason") != "Expired" {
		t.Errorf("status %d, event %v", w.status, event)
	}
	if event, ok := w.next(); ok {
		t.Errorf("an event behind the error: %v", event)
	}
}

func TestOpenWatchExpiresOnDemand(t *testing.T) {
	s := startStandin(t)
	version := s.makeMap("a").body.text("metadata.resourceVersion")
	w := s.watch(maps + "?watch=true&resourceVersion=" + version)
	s.makeMap("b")
	w.expect("ADDED b")
	s.steer("POST", "/standin/expire/configmaps", "", nil)
	w.expect("ERROR")
}

func TestBookmarksComeOnDemandAndWithTheEnd(t *testing.T) {
	s := startStandin(t)
	s.makeMap("a")
	w := s.watch(maps + "?watch=true&allowWatchBookmarks=true&timeoutSeconds=1")
	w.expect("ADDED a")
	s.do("POST", "/api/v1/namespaces", "application/json", `{"metadata":{"name":"other"}}`).want(t, 201)
	s.steer("POST", "/standin/bookmark/configmaps", "", nil)
	version := s.get(maps).body.text("metadata.resourceVersion")
	if mark := w.expect("BOOKMARK"); mark.Object.text("metadata.resourceVersion") != version {
		t.Errorf("bookmark %v, the store is at %s", mark.Object, version)
	}
	w.expect("BOOKMARK") // the last one, at the time limit
	if event, ok := w.next(); ok {
		t.Errorf("an event behind the end: %v", event)
	}
}

func TestWatchOfMetadataAlone(t *testing.T) {
	s := startStandin(t)
	s.do("POST", maps, "application/json", `{"metadata":{"name":"a","labels":{"x":"y"}},"data":{"secret":"1"}}`).want(t, 201)
	w := s.watchAs(maps+"?watch=true&allowWatchBookmarks=true", "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1")
	event := w.expect("ADDED a")
	if event.Object.text("kind") != "PartialObjectMetadata" || event.Object["data"] != nil || event.Object.text("metadata.labels.x") != "y" {
		t.Errorf("not metadata alone: %v", event.Object)
	}
}

func TestWatchesShareOneConnection(t *testing.T) {
	s := startStandin(t)
	for range 5 {
		s.watch(maps + "?watch=true")
	}
	var report countsReport
	s.steer("GET", "/standin/counts", "", &report)
	if len(report.Watches) != 5 || len(report.Connections) != 1 || report.Connections[0].Protocol != "HTTP/2.0" {
		t.Errorf("five watches over HTTP/2 look like %+v", report)
	}
}

func TestWatchOfADeletedDefinitionEnds(t *testing.T) {
	s := startStandin(t)
	const states = "/apis/keelson.dev/v1alpha1/nodestates"
	s.do("POST", states, "application/json", `{"metadata":{"name":"n1"},"pods":[]}`).want(t, 201)
	w := s.watch(states + "?watch=true")
	w.expect("ADDED n1")
	const definition = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/nodestates.keelson.dev"
	kept := s.get(definition).want(t, 200)
	s.do("DELETE", definition, "", "").want(t, 200)
	w.expect("DELETED n1")
	if event, ok := w.next(); ok {
		t.Errorf("the kind is gone, and an event came: %v", event)
	}
	s.get(states).want(t, 404)
	kept.body.metadata()["resourceVersion"] = nil
	s.load(kept.body)
	s.get(states).want(t, 200)
}

func TestWatchOfTheFutureWaits(t *testing.T) {
	s := startStandin(t)
	version := s.run.server.store.current() + 1
	w := s.watch(fmt.Sprintf("%s?watch=true&resourceVersion=%d", maps, version))
	s.makeMap("skipped")
	s.makeMap("seen")
	w.expect("ADDED seen")
}

func TestEachWatchOfManyGetsEveryEvent(t *testing.T) {
	s := startStandin(t)
	version := s.run.server.store.current()
	var all []*stream
	for range 20 {
		all = append(all, s.watch(fmt.Sprintf("%s?watch=true&resourceVersion=%d", maps, version)))
	}
	for i := range 300 {
		s.makeMap(fmt.Sprintf("m%03d", i))
	}
	began := time.Now()
	for _, w := range all {
		for i := range 300 {
			w.expect(fmt.Sprintf("ADDED m%03d", i))
		}
	}
	t.Logf("20 watches, 300 events each: read in %v", time.Since(began))
}
