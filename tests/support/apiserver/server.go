package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// server answers the API. Its parts guard themselves; settings are read at each request.
type server struct {
	kinds    *registry
	store    *store
	faults   faults
	counts   *counts
	tokens   *tokens
	stopping chan struct{}
	stopOnce sync.Once

	hasStreamingLists atomic.Bool
	bookmarkEvery     atomic.Int64 // nanoseconds

	lastClusterIP int // guarded by the store's lock
}

func newServer(windowSize int) *server {
	s := &server{kinds: newRegistry(), store: newStore(windowSize), counts: newCounts(), tokens: newTokens(),
		stopping: make(chan struct{})}
	s.hasStreamingLists.Store(true)
	s.bookmarkEvery.Store(int64(time.Minute))
	s.loadPreset()
	return s
}

func (s *server) stop() { s.stopOnce.Do(func() { close(s.stopping) }) }

func (s *server) bookmarkInterval() time.Duration { return time.Duration(s.bookmarkEvery.Load()) }

// answerWriter remembers the status for the counts.
type answerWriter struct {
	http.ResponseWriter
	status int
}

func (w *answerWriter) WriteHeader(status int) {
	if w.status != 0 {
		return // a hanging watch has already begun to answer
	}
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *answerWriter) Write(text []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(text)
}

func (w *answerWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (s *server) ServeHTTP(plain http.ResponseWriter, r *http.Request) {
	w := &answerWriter{ResponseWriter: plain}
	to, isResource := parsePath(r.URL.Path)
	verb, label := "discovery", r.URL.Path
	var k *kind
	if isResource {
		verb, label = verbOf(r, to), kindID(to.plural, to.group)
		k = s.kinds.find(to.group, to.version, to.plural)
		if isTokenPath(to) {
			label = "tokens"
		}
	}
	s.counts.request(verb, label, r.Proto, r.UserAgent(), connectionOf(r))
	defer func() { s.counts.answer(verb, label, w.status) }()
	if !isPublic(r.URL.Path) && !s.tokens.allows(r) {
		unauthorized().write(w)
		return
	}
	if !s.strike(w, r, label, verb) {
		return
	}
	if refusal := s.route(w, r, to, k, verb, isResource); refusal != nil {
		refusal.write(w)
	}
}

func isPublic(path string) bool {
	return path == "/version" || path == "/healthz" || path == "/livez" || path == "/readyz"
}

// verbOf names a request as the API's authorization does, and server-side apply apart from patch.
func verbOf(r *http.Request, to target) string {
	isOne := to.name != ""
	switch r.Method {
	case http.MethodGet:
		if isTrue(r.URL.Query().Get("watch")) {
			return "watch"
		}
		if isOne {
			return "get"
		}
		return "list"
	case http.MethodPost:
		return "create"
	case http.MethodPut:
		return "update"
	case http.MethodPatch:
		if media, _ := parseOffer(r.Header.Get("Content-Type")); media == applyPatch {
			return "apply"
		}
		return "patch"
	case http.MethodDelete:
		if isOne {
			return "delete"
		}
		return "deletecollection"
	}
	return strings.ToLower(r.Method)
}

func (s *server) route(w http.ResponseWriter, r *http.Request, to target, k *kind, verb string, isResource bool) *apiError {
	switch {
	case !isResource:
		s.serveDiscovery(w, r)
		return nil
	case isTokenPath(to):
		return s.serveTokens(w, r, to)
	case k == nil || (to.subresource != "" && !(to.subresource == "status" && k.hasStatus)),
		k.namespaced && to.namespace == "" && (to.name != "" || verb == "create"), !k.namespaced && to.namespace != "":
		http.Error(w, "404 page not found", http.StatusNotFound)
		return nil
	}
	v, refusal := negotiate(k, to.version, r)
	if refusal != nil {
		return refusal
	}
	switch verb {
	case "get":
		return s.serveGet(w, v, to)
	case "list", "watch":
		return s.serveCollection(w, r, v, to)
	case "delete":
		return s.serveDelete(w, r, v, to)
	case "deletecollection":
		return s.serveDeleteCollection(w, r, v, to)
	case "create", "update", "patch", "apply":
		return s.serveWrite(w, r, v, to, verb)
	}
	return methodNotAllowed()
}

func (s *server) serveGet(w http.ResponseWriter, v view, to target) *apiError {
	o := s.store.get(v.kind, objectKey(to.namespace, to.name))
	if o == nil {
		return notFound(v.kind, to.name)
	}
	writeObject(w, http.StatusOK, &v, o)
	return nil
}

func (s *server) serveCollection(w http.ResponseWriter, r *http.Request, v view, to target) *apiError {
	options, refusal := parseListOptions(v.kind, to, r.URL.Query())
	if refusal != nil {
		return refusal
	}
	if refusal := options.check(v.kind, s.hasStreamingLists.Load()); refusal != nil {
		return refusal
	}
	if options.isWatch {
		return s.serveWatch(w, r, v, &options)
	}
	return s.serveList(w, r, v, &options)
}

func (s *server) serveWrite(w http.ResponseWriter, r *http.Request, v view, to target, verb string) *apiError {
	run := s.newWrite(r, v.kind, to)
	if (verb == "create") != (to.name == "") {
		return methodNotAllowed()
	}
	if verb == "patch" || verb == "apply" {
		media, _ := parseOffer(r.Header.Get("Content-Type"))
		if media != mergePatch && media != applyPatch && media != jsonPatch {
			return unsupportedMediaType(media, strings.Join([]string{jsonPatch, mergePatch, applyPatch}, ", "))
		}
		made, isNew, refusal := run.patch(r, media)
		return answerWrite(w, &v, made, isNew, refusal)
	}
	doc, refusal := run.readDocument(r)
	if refusal != nil {
		return refusal
	}
	if verb == "create" {
		made, refusal := run.create(doc)
		return answerWrite(w, &v, made, true, refusal)
	}
	made, refusal := run.update(doc)
	return answerWrite(w, &v, made, false, refusal)
}

func answerWrite(w http.ResponseWriter, v *view, made *object, isNew bool, refusal *apiError) *apiError {
	if refusal != nil {
		return refusal
	}
	status := http.StatusOK
	if isNew {
		status = http.StatusCreated
	}
	writeObject(w, status, v, made)
	return nil
}

func writeObject(w http.ResponseWriter, status int, v *view, o *object) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	v.write(w, o)
	w.Write([]byte("\n"))
}

func writeJSON(w http.ResponseWriter, status int, value any) {
	writeJSONAs(w, status, "application/json", value)
}

func writeJSONAs(w http.ResponseWriter, status int, media string, value any) {
	text, err := json.Marshal(value)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", media)
	w.WriteHeader(status)
	w.Write(append(text, '\n'))
}
