package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// standin is one running stand-in and a client of it; the client speaks HTTP/2.
type standin struct {
	t       *testing.T
	run     *running
	client  *http.Client
	token   string
	folder  string
	api     string
	control string
}

func startStandin(t *testing.T) *standin {
	t.Helper()
	folder := t.TempDir()
	run, err := start(options{folder: folder, listen: "127.0.0.1:0", control: "127.0.0.1:0", history: 10000, bookmarks: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(run.stop)
	s := &standin{t: t, run: run, folder: folder, token: run.ready["token"], api: run.ready["api"], control: run.ready["control"]}
	s.client = s.newClient(true)
	return s
}

func (s *standin) newClient(isHTTP2 bool) *http.Client {
	authority, err := os.ReadFile(filepath.Join(s.folder, "ca.crt"))
	if err != nil {
		s.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: isHTTP2}
	s.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

type answer struct {
	status int
	header http.Header
	text   []byte
	body   document
}

func (s *standin) request(method, path, media, body string) (*http.Response, error) {
	request, err := http.NewRequest(method, s.api+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+s.token)
	request.Header.Set("Accept", "application/json")
	if strings.Contains(media, ";as=") {
		request.Header.Set("Accept", media)
		media = ""
	}
	if media != "" {
		request.Header.Set("Content-Type", media)
	}
	return s.client.Do(request)
}

func (s *standin) do(method, path, media, body string) answer {
	s.t.Helper()
	response, err := s.request(method, path, media, body)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}
	doc, _ := decodeDocument(text)
	return answer{response.StatusCode, response.Header, text, doc}
}

func (s *standin) get(path string) answer { s.t.Helper(); return s.do("GET", path, "", "") }

// want fails the test unless the answer has the status.
func (a answer) want(t *testing.T, status int) answer {
	t.Helper()
	if a.status != status {
		t.Fatalf("status %d, not %d: %s", a.status, status, a.text)
	}
	return a
}

// steer is one call of the control API, which must succeed; the answer goes into into.
func (s *standin) steer(method, path, body string, into any) {
	s.t.Helper()
	request, _ := http.NewRequest(method, s.control+path, strings.NewReader(body))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(response.Body)
	if response.StatusCode != http.StatusOK {
		s.t.Fatalf("%s %s: %d %s", method, path, response.StatusCode, text)
	}
	if into != nil {
		if err := json.Unmarshal(text, into); err != nil {
			s.t.Fatal(err)
		}
	}
}

// stream is an open watch.
type stream struct {
	t      *testing.T
	lines  *bufio.Reader
	close  context.CancelFunc
	status int
}

func (s *standin) watch(path string) *stream { return s.watchAs(path, "application/json") }

func (s *standin) watchAs(path, accept string) *stream {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	s.t.Cleanup(cancel)
	request, _ := http.NewRequestWithContext(ctx, "GET", s.api+path, nil)
	request.Header.Set("Authorization", "Bearer "+s.token)
	request.Header.Set("Accept", accept)
	response, err := s.client.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	return &stream{s.t, bufio.NewReaderSize(response.Body, 1<<20), cancel, response.StatusCode}
}

type seen struct {
	Type   string
	Object document
}

// next is the next event; ok is false at the end of the stream, however it came.
func (w *stream) next() (event seen, ok bool) {
	line, err := w.lines.ReadBytes('\n')
	if err != nil {
		return event, false
	}
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.UseNumber()
	if err := decoder.Decode(&event); err != nil {
		w.t.Fatalf("%v: %s", err, line)
	}
	return event, true
}

// expect reads one event and compares it: "ADDED a", the name last.
func (w *stream) expect(want string) seen {
	w.t.Helper()
	event, ok := w.next()
	if got := strings.TrimSpace(event.Type + " " + event.Object.text("metadata.name")); !ok || got != want {
		w.t.Fatalf("event %q, not %q: %v", got, want, event.Object)
	}
	return event
}

func (s *standin) makeMap(name string) answer {
	s.t.Helper()
	return s.do("POST", "/api/v1/namespaces/default/configmaps", "application/json",
		`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"`+name+`"}}`).want(s.t, 201)
}

const maps = "/api/v1/namespaces/default/configmaps"

// load stores one object through the control API.
func (s *standin) load(doc document) {
	s.t.Helper()
	text, err := json.Marshal(doc)
	if err != nil {
		s.t.Fatal(err)
	}
	s.steer("POST", "/standin/load", string(text), nil)
}
