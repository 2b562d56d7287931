package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"time"
)

// control is the plain HTTP side on loopback by which tests steer the stand-in: README.md has its table.
type control struct {
	server *server
	gate   *gate
}

func (c *control) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /standin/state", c.state)
	mux.HandleFunc("PUT /standin/settings", c.settings)
	mux.HandleFunc("POST /standin/load", c.load)
	mux.HandleFunc("POST /standin/generate", c.generate)
	mux.HandleFunc("GET /standin/faults", c.listFaults)
	mux.HandleFunc("POST /standin/faults", c.addFault)
	mux.HandleFunc("DELETE /standin/faults", c.removeFaults)
	mux.HandleFunc("DELETE /standin/faults/{id}", c.removeFaults)
	mux.HandleFunc("POST /standin/refuse", c.refuse)
	mux.HandleFunc("POST /standin/disconnect", c.disconnect)
	mux.HandleFunc("POST /standin/expire/{kind}", c.expire)
	mux.HandleFunc("POST /standin/bookmark/{kind}", c.bookmark)
	mux.HandleFunc("PUT /standin/kinds/{kind}", c.showKind)
	mux.HandleFunc("DELETE /standin/kinds/{kind}", c.hideKind)
	mux.HandleFunc("GET /standin/counts", c.counts)
	mux.HandleFunc("DELETE /standin/counts", c.counts)
	mux.HandleFunc("PUT /standin/tokens", c.tokens)
	mux.HandleFunc("PUT /standin/tokenreviews", c.tokenReview)
	mux.HandleFunc("DELETE /standin/tokenreviews", c.tokenReview)
	return mux
}

func refuseControl(w http.ResponseWriter, err error) {
	writeJSON(w, http.StatusBadRequest, map[string]any{"error": err.Error()})
}

func readControl(w http.ResponseWriter, r *http.Request, into any) bool {
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		refuseControl(w, fmt.Errorf("%s %s: the body: %w", r.Method, r.URL.Path, err))
		return false
	}
	return true
}

// kindOf reads the last part of the path.
func (c *control) kindOf(w http.ResponseWriter, r *http.Request) *kind {
	k, err := c.server.kinds.byID(r.PathValue("kind"))
	if err != nil {
		refuseControl(w, err)
	}
	return k
}

func (c *control) state(w http.ResponseWriter, _ *http.Request) {
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	served := []string{}
	for _, k := range c.server.kinds.served() {
		served = append(served, k.id())
	}
	writeJSON(w, http.StatusOK, map[string]any{"pid": os.Getpid(), "resource_version": c.server.store.current(),
		"objects": c.server.store.sizes(), "kinds": served, "heap_bytes": memory.HeapAlloc})
}

func (c *control) settings(w http.ResponseWriter, r *http.Request) {
	var wanted struct {
		StreamingLists *bool `json:"streaming_lists"`
		History        *int  `json:"history"`
		BookmarkMS     *int  `json:"bookmark_ms"`
	}
	if !readControl(w, r, &wanted) {
		return
	}
	if (wanted.History != nil && *wanted.History < 0) || (wanted.BookmarkMS != nil && *wanted.BookmarkMS <= 0) {
		refuseControl(w, fmt.Errorf("settings: history must be 0 or more, bookmark_ms 1 or more"))
		return
	}
	if wanted.StreamingLists != nil {
		c.server.hasStreamingLists.Store(*wanted.StreamingLists)
	}
	if wanted.History != nil {
		c.server.store.resizeWindow(*wanted.History)
	}
	if wanted.BookmarkMS != nil {
		c.server.bookmarkEvery.Store(int64(time.Duration(*wanted.BookmarkMS) * time.Millisecond))
	}
	writeJSON(w, http.StatusOK, map[string]any{})
}

func (c *control) load(w http.ResponseWriter, r *http.Request) {
	count, err := c.server.loadLines(r.Body)
	if err != nil {
		refuseControl(w, fmt.Errorf("load: %w", err))
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{"objects": count, "resource_version": c.server.store.current()})
}

func (c *control) generate(w http.ResponseWriter, r *http.Request) {
	plan := defaultPlan()
	if !readControl(w, r, &plan) {
		return
	}
	if err := plan.check(); err != nil {
		refuseControl(w, err)
		return
	}
	began := time.Now()
	count, err := plan.into(c.server)
	if err != nil {
		refuseControl(w, err)
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{"objects": count, "milliseconds": time.Since(began).Milliseconds(),
		"resource_version": c.server.store.current()})
}

func (c *control) listFaults(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, c.server.faults.snapshot())
}

func (c *control) addFault(w http.ResponseWriter, r *http.Request) {
	var wanted fault
	if !readControl(w, r, &wanted) {
		return
	}
	if wanted.Kind != "" && wanted.Kind != "tokens" {
		k, err := c.server.kinds.byID(wanted.Kind)
		if err != nil {
			refuseControl(w, err)
			return
		}
		wanted.Kind = k.id()
	}
	made, err := c.server.faults.add(wanted)
	if err != nil {
		refuseControl(w, err)
		return
	}
	writeJSON(w, http.StatusOK, made)
}

func (c *control) removeFaults(w http.ResponseWriter, r *http.Request) {
	id := 0
	if text := r.PathValue("id"); text != "" {
		number, err := strconv.Atoi(text)
		if err != nil || number <= 0 {
			refuseControl(w, fmt.Errorf("faults: %q is not the id of one", text))
			return
		}
		id = number
	}
	writeJSON(w, http.StatusOK, map[string]any{"removed": c.server.faults.remove(id)})
}

func (c *control) refuse(w http.ResponseWriter, r *http.Request) {
	var wanted struct {
		Milliseconds int `json:"milliseconds"`
	}
	if !readControl(w, r, &wanted) {
		return
	}
	if err := c.gate.refuse(time.Duration(wanted.Milliseconds) * time.Millisecond); err != nil {
		refuseControl(w, err)
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{})
}

func (c *control) disconnect(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]any{"connections": c.gate.disconnect()})
}

func (c *control) expire(w http.ResponseWriter, r *http.Request) {
	if k := c.kindOf(w, r); k != nil {
		c.server.store.forgetHistory(k)
		writeJSON(w, http.StatusOK, map[string]any{"resource_version": c.server.store.current()})
	}
}

func (c *control) bookmark(w http.ResponseWriter, r *http.Request) {
	if k := c.kindOf(w, r); k != nil {
		c.server.store.askForBookmark(k)
		writeJSON(w, http.StatusOK, map[string]any{})
	}
}

func (c *control) showKind(w http.ResponseWriter, r *http.Request) { c.setHidden(w, r, false) }

func (c *control) hideKind(w http.ResponseWriter, r *http.Request) { c.setHidden(w, r, true) }

func (c *control) setHidden(w http.ResponseWriter, r *http.Request, isHidden bool) {
	if k := c.kindOf(w, r); k != nil {
		c.server.kinds.setHidden(k.id(), isHidden)
		c.server.store.setGone(k, isHidden)
		writeJSON(w, http.StatusOK, map[string]any{})
	}
}

func (c *control) counts(w http.ResponseWriter, r *http.Request) {
	report := c.server.counts.report()
	if r.Method == http.MethodDelete {
		c.server.counts.reset()
	}
	writeJSON(w, http.StatusOK, report)
}

func (c *control) tokens(w http.ResponseWriter, r *http.Request) {
	body, refusal := readBody(r)
	if refusal != nil {
		refuseControl(w, refusal)
		return
	}
	users, err := parseTokenFile(body)
	if err != nil {
		refuseControl(w, fmt.Errorf("tokens: %w", err))
		return
	}
	c.server.tokens.setUsers(users)
	writeJSON(w, http.StatusOK, map[string]any{"tokens": len(users)})
}

func (c *control) tokenReview(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodDelete {
		c.server.tokens.clearReviews()
		writeJSON(w, http.StatusOK, map[string]any{})
		return
	}
	var wanted struct {
		Token  string          `json:"token"`
		Status json.RawMessage `json:"status"`
	}
	if !readControl(w, r, &wanted) {
		return
	}
	c.server.tokens.setReview(wanted.Token, wanted.Status)
	writeJSON(w, http.StatusOK, map[string]any{})
}
