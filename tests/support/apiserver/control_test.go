package main

import (
	"strings"
	"testing"
	"time"
)

func TestFaultsOfRequests(t *testing.T) {
	s := startStandin(t)
	s.makeMap("a")
	fault := func(text string) { t.Helper(); s.steer("POST", "/standin/faults", text, nil) }
	fault(`{"kind":"configmaps","verb":"list","action":"status","status":429,"retry_after":7,"skip":1,"times":1}`)
	s.get(maps).want(t, 200)
	if got := s.get(maps).want(t, 429); got.header.Get("Retry-After") != "7" || got.body.text("reason") != "TooManyRequests" {
		t.Errorf("%v %s", got.header, got.text)
	}
	s.get(maps).want(t, 200)
	fault(`{"verb":"get","action":"close","times":1}`)
	if response, err := s.request("GET", maps+"/a", "", ""); err == nil {
		t.Errorf("the connection was to close, and an answer came: %d", response.StatusCode)
	}
	s.get(maps+"/a").want(t, 200)
	fault(`{"verb":"get","action":"reset","times":1}`)
	if _, err := s.request("GET", maps+"/a", "", ""); err == nil {
		t.Error("the stream was to be reset, and an answer came")
	}
	fault(`{"action":"delay","delay_ms":30}`)
	began := time.Now()
	s.get(maps+"/a").want(t, 200)
	if passed := time.Since(began); passed < 30*time.Millisecond {
		t.Errorf("not delayed: %v", passed)
	}
}

func TestFaultsOfEvents(t *testing.T) {
	for action, want := range map[string]string{"gone": "ERROR", "end": "", "torn": "cut", "garbage": "cut", "reset": "", "close": ""} {
		s := startStandin(t)
		version := s.makeMap("a").body.text("metadata.resourceVersion")
		w := s.watch(maps + "?watch=true&resourceVersion=" + version)
		s.steer("POST", "/standin/faults", `{"kind":"configmaps","verb":"event","action":"`+action+`"}`, nil)
		s.load(document{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "b"}}) // over another connection
		line, _ := w.lines.ReadString('\n')
		switch {
		case want == "" && line != "":
			t.Errorf("%s: %q came", action, line)
		case want == "cut" && (line == "" || strings.HasSuffix(line, "}\n")):
			t.Errorf("%s: %q came", action, line)
		case want == "ERROR" && !strings.Contains(line, `"code":410`):
			t.Errorf("%s: %q came", action, line)
		}
	}
}

func TestAHangingWatchGoesOnWhenItsFaultIsRemoved(t *testing.T) {
	s := startStandin(t)
	s.makeMap("a")
	s.steer("POST", "/standin/faults", `{"verb":"watch","action":"hang"}`, nil)
	w := s.watch(maps + "?watch=true")
	if w.status != 200 {
		t.Fatalf("status %d", w.status)
	}
	s.steer("DELETE", "/standin/faults", "", nil)
	w.expect("ADDED a")
}

func TestRefusedConnectionsComeBackOnTheSamePort(t *testing.T) {
	s := startStandin(t)
	w := s.watch(maps + "?watch=true")
	s.steer("POST", "/standin/refuse", `{"milliseconds":3600000}`, nil)
	if event, ok := w.next(); ok {
		t.Errorf("an event over a connection that was cut: %v", event)
	}
	if _, err := s.request("GET", maps, "", ""); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("not refused: %v", err)
	}
	s.steer("POST", "/standin/refuse", `{"milliseconds":0}`, nil)
	s.get(maps).want(t, 200)
}

func TestAHiddenKindIsNotFoundUntilItIsShown(t *testing.T) {
	s := startStandin(t)
	w := s.watch(states + "?watch=true")
	s.steer("DELETE", "/standin/kinds/nodestates", "", nil)
	if event, ok := w.next(); ok {
		t.Errorf("an event of a hidden kind: %v", event)
	}
	s.get(states).want(t, 404)
	s.get("/apis/keelson.dev/v1alpha1").want(t, 404)
	s.steer("PUT", "/standin/kinds/nodestates", "", nil)
	s.get(states).want(t, 200)
}

func TestCountsTellVerbsProtocolsAndAnswers(t *testing.T) {
	s := startStandin(t)
	s.get(maps).want(t, 200)
	s.get(maps+"/none").want(t, 404)
	s.client = s.newClient(false)
	s.get(maps).want(t, 200)
	var report countsReport
	s.steer("DELETE", "/standin/counts", "", &report)
	byProtocol := map[string]int{}
	for _, row := range report.Requests {
		if row.Verb == "list" && row.Kind == "configmaps" {
			byProtocol[row.Protocol] += row.Count
		}
	}
	if byProtocol["HTTP/2.0"] != 1 || byProtocol["HTTP/1.1"] != 1 || report.Accepted != 2 || len(report.Connections) != 2 {
		t.Errorf("counted: %+v", report)
	}
	s.steer("GET", "/standin/counts", "", &report)
	if len(report.Requests) != 0 {
		t.Errorf("after a reset: %+v", report.Requests)
	}
}

func TestTokensAreReplacedAndReviewed(t *testing.T) {
	s := startStandin(t)
	s.steer("PUT", "/standin/tokens", "second,admin,1,\"system:masters,x\"\n", nil)
	s.get(maps).want(t, 401)
	s.token = "second"
	s.get(maps).want(t, 200)
	const reviews = "/apis/authentication.k8s.io/v1/tokenreviews"
	review := func(spec string) document {
		return s.do("POST", reviews, "application/json", `{"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview","spec":`+spec+`}`).want(t, 201).body
	}
	status := func(d document) map[string]any { return d["status"].(map[string]any) }
	if status(review(`{"token":"second"}`))["authenticated"] != true || status(review(`{"token":"x.y.z"}`))["authenticated"] != false {
		t.Error("reviews of known and unknown tokens")
	}
	s.steer("PUT", "/standin/tokenreviews", `{"token":"x.y.z","status":{"authenticated":true,"user":{"username":"u"}}}`, nil)
	if got := review(`{"token":"x.y.z"}`); got.text("status.user.username") != "u" {
		t.Errorf("the answer that was set: %v", got)
	}
	made := s.do("POST", "/api/v1/namespaces/default/serviceaccounts/default/token", "application/json",
		`{"spec":{"audiences":["keelson-ca"],"expirationSeconds":600}}`).want(t, 201)
	token := made.body.text("status.token")
	if got := status(review(`{"token":"` + token + `","audiences":["keelson-ca"]}`)); got["authenticated"] != true {
		t.Errorf("its own token: %v", got)
	}
	if got := status(review(`{"token":"` + token[:len(token)-4] + `AAAA","audiences":["keelson-ca"]}`)); got["authenticated"] != false {
		t.Errorf("a forged token: %v", got)
	}
	s.token = token // of another audience
	s.get(maps).want(t, 401)
}
