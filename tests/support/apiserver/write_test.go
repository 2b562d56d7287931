package main

import (
	"strings"
	"testing"
)

func TestAStaleUpdateConflictsAndAnEmptyOneChangesNothing(t *testing.T) {
	s := startStandin(t)
	made := s.makeMap("a")
	stale := string(made.text)
	changed := s.do("PUT", maps+"/a", "application/json", strings.Replace(stale, `"metadata"`, `"data":{"x":"1"},"metadata"`, 1)).want(t, 200)
	refused := s.do("PUT", maps+"/a", "application/json", stale).want(t, 409)
	if refused.body.text("reason") != "Conflict" {
		t.Errorf("reason: %s", refused.text)
	}
	again := s.do("PUT", maps+"/a", "application/json", string(changed.text)).want(t, 200)
	if again.body.text("metadata.resourceVersion") != changed.body.text("metadata.resourceVersion") {
		t.Error("an update that changes nothing made a version")
	}
	if s.do("POST", maps, "application/json", `{"metadata":{"name":"a"}}`).want(t, 409).body.text("reason") != "AlreadyExists" {
		t.Error("a second create is not AlreadyExists")
	}
}

const states = "/apis/keelson.dev/v1alpha1/nodestates"

func applied(pods string) string {
	return `{"apiVersion":"keelson.dev/v1alpha1","kind":"NodeState","metadata":{"name":"n1"},"pods":` + pods + `}`
}

func TestApplyOwnsTheWholeObject(t *testing.T) {
	s := startStandin(t)
	const by = states + "/n1?fieldManager="
	s.do("PATCH", states+"/n1", applyPatch, applied(`[]`)).want(t, 422) // no manager
	made := s.do("PATCH", by+"agent", applyPatch, applied(`[]`)).want(t, 201)
	same := s.do("PATCH", by+"agent", applyPatch, applied(`[]`)).want(t, 200)
	if same.body.text("metadata.resourceVersion") != made.body.text("metadata.resourceVersion") {
		t.Error("applying the same again made a version")
	}
	changed := s.do("PATCH", by+"agent", applyPatch, applied(`[{"uid":"u"}]`)).want(t, 200)
	if len(changed.body.list("pods")) != 1 || changed.body.text("metadata.uid") != made.body.text("metadata.uid") {
		t.Errorf("applied: %s", changed.text)
	}
	refused := s.do("PATCH", by+"other", applyPatch, applied(`[]`)).want(t, 409)
	if !strings.Contains(string(refused.text), "FieldManagerConflict") || !strings.Contains(string(refused.text), "agent") {
		t.Errorf("the conflict does not name its owner: %s", refused.text)
	}
	s.do("PATCH", by+"other&force=true", applyPatch, applied(`[]`)).want(t, 200)
	s.do("PATCH", by+"agent", applyPatch, applied(`[{"uid":"u"}]`)).want(t, 409)
}

func TestStatusIsWrittenApart(t *testing.T) {
	s := startStandin(t)
	const routes = "/apis/gateway.networking.k8s.io/v1/namespaces/default/httproutes"
	made := s.do("POST", routes, "application/json", `{"metadata":{"name":"r"},"spec":{"a":1},"status":{"x":1}}`).want(t, 201)
	if made.body["status"] != nil || made.body.metadata()["generation"] == nil {
		t.Errorf("created: %s", made.text)
	}
	status := `{"apiVersion":"gateway.networking.k8s.io/v1","kind":"HTTPRoute","metadata":{"name":"r"},"status":{"parents":[]},"spec":{"a":2}}`
	s.do("PATCH", routes+"/r/status?fieldManager=agent", applyPatch, status).want(t, 200)
	changed := s.do("PATCH", routes+"/r", mergePatch, `{"spec":{"a":3},"status":null}`).want(t, 200)
	if changed.body["status"] == nil || changed.body.metadata()["generation"] == made.body.metadata()["generation"] {
		t.Errorf("after a change of the spec: %s", changed.text)
	}
	old := s.get("/apis/gateway.networking.k8s.io/v1beta1/namespaces/default/httproutes/r").want(t, 200)
	if old.body.text("apiVersion") != "gateway.networking.k8s.io/v1beta1" {
		t.Errorf("the other version: %s", old.text)
	}
	s.do("PATCH", states+"/n1/status?fieldManager=agent", applyPatch, applied(`[]`)).want(t, 404) // no such subresource
}

func TestAJSONPatchTakesOutWhatItHasTested(t *testing.T) {
	s := startStandin(t)
	const nodes = "/api/v1/nodes"
	s.do("POST", nodes, "application/json",
		`{"metadata":{"name":"n1"},"spec":{"taints":[{"key":"a","effect":"NoSchedule"},{"key":"b","effect":"NoExecute"}]}}`).want(t, 201)
	take := func(i, key string) string {
		return `[{"op":"test","path":"/spec/taints/` + i + `","value":{"key":"` + key + `","effect":"NoSchedule"}},` +
			`{"op":"remove","path":"/spec/taints/` + i + `"}]`
	}
	for _, stale := range []string{take("1", "a"), take("7", "a"), take("0", "b")} {
		s.do("PATCH", nodes+"/n1", jsonPatch, stale).want(t, 422)
	}
	left := s.do("PATCH", nodes+"/n1", jsonPatch, take("0", "a")).want(t, 200).body.list("spec.taints")
	if len(left) != 1 || left[0].(map[string]any)["key"] != "b" {
		t.Errorf("left: %v", left)
	}
	s.do("PATCH", nodes+"/none", jsonPatch, take("0", "a")).want(t, 404)
}

func TestDeletionKeepsItsPromises(t *testing.T) {
	s := startStandin(t)
	s.do("POST", maps, "application/json", `{"metadata":{"name":"kept","finalizers":["x/y"]}}`).want(t, 201)
	s.do("DELETE", maps+"/kept", "", `{"preconditions":{"uid":"another"}}`).want(t, 409)
	if s.do("DELETE", maps+"/kept", "", "").want(t, 200).body.text("metadata.deletionTimestamp") == "" {
		t.Error("a finalizer did not hold the object")
	}
	s.get(maps+"/kept").want(t, 200)
	s.do("PATCH", maps+"/kept", mergePatch, `{"metadata":{"finalizers":null}}`).want(t, 200)
	s.get(maps+"/kept").want(t, 404)
	s.do("POST", "/api/v1/namespaces", "application/json", `{"metadata":{"name":"shop"}}`).want(t, 201)
	const inside = "/api/v1/namespaces/shop/configmaps"
	s.do("POST", inside, "application/json", `{"metadata":{"generateName":"m-"}}`).want(t, 201)
	s.do("DELETE", "/api/v1/namespaces/shop", "", "").want(t, 200)
	s.do("POST", inside, "application/json", `{"metadata":{"name":"m"}}`).want(t, 404)
	if left := len(s.get(inside).want(t, 200).body.list("items")); left != 0 {
		t.Errorf("%d objects outlived their namespace", left)
	}
}

func TestWhatIsNotUnderstoodIsRefused(t *testing.T) {
	s := startStandin(t)
	s.makeMap("a")
	for _, c := range []struct {
		method, path, media, body string
		status                    int
	}{
		{"POST", maps, "application/json", `{`, 400},
		{"POST", maps, "application/json", `{"metadata":{}}`, 422},
		{"POST", maps, "application/json", `{"metadata":{"name":"b","namespace":"other"}}`, 400},
		{"POST", maps, "application/json", `{"kind":"Secret","metadata":{"name":"b"}}`, 400},
		{"POST", maps, "application/vnd.kubernetes.protobuf", "k8s", 415},
		{"PATCH", maps + "/a", "application/strategic-merge-patch+json", `{}`, 415},
		{"PATCH", maps + "/a", jsonPatch, `{}`, 400},
		{"PATCH", maps + "/a", jsonPatch, `[{"op":"add","path":"/data","value":{}}]`, 422},
		{"PUT", maps + "/none", "application/json", `{"metadata":{"name":"none"}}`, 404},
		{"PUT", maps + "/a", "application/json", `{"metadata":{"name":"b"}}`, 400},
		{"GET", "/api/v1/namespaces/default/widgets", "", "", 404},
		{"GET", "/api/v1/nodes/a/b/c", "", "", 404},
		{"GET", "/apis/none/v1/widgets", "", "", 404},
		{"POST", "/api/v1/configmaps", "application/json", `{"metadata":{"name":"b"}}`, 404},
	} {
		if got := s.do(c.method, c.path, c.media, c.body); got.status != c.status {
			t.Errorf("%s %s %s: %d, not %d: %s", c.method, c.path, c.body, got.status, c.status, got.text)
		}
	}
	s.token = "wrong"
	s.get(maps).want(t, 401)
	s.get("/version").want(t, 200)
}
