package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"time"
)

// watch is one open watch: a cursor into the kind's history, read by the handler's goroutine alone.
type watch struct {
	server  *server
	request *http.Request
	view    view
	options *listOptions
	counted *openWatch
	out     *bufio.Writer
	flush   func() error
	cursor  uint64
	marks   int // bookmarks asked for by the control API that are behind us
}

func startStream(w http.ResponseWriter) func() error {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	controller := http.NewResponseController(w)
	controller.Flush()
	return controller.Flush
}

func (s *server) serveWatch(w http.ResponseWriter, r *http.Request, v view, o *listOptions) *apiError {
	asked, refusal := parseVersion(o.version)
	if refusal != nil {
		return refusal
	}
	counted := s.counts.beginWatch(openWatch{Kind: v.kind.id(), Namespace: o.selector.namespace,
		Labels: r.URL.Query().Get("labelSelector"), Fields: r.URL.Query().Get("fieldSelector"),
		Version: o.version, IsStream: o.initialEvents != nil && *o.initialEvents,
		Connection: connectionOf(r).id, Protocol: r.Proto, UserAgent: r.UserAgent()})
	defer s.counts.endWatch(counted)
	flush := startStream(w)
	run := &watch{server: s, request: r, view: v, options: o, counted: counted, flush: flush,
		out: bufio.NewWriterSize(w, 32<<10), cursor: asked}
	run.begin(asked)
	run.follow()
	return nil
}

// begin sends the current state where the request asks for it, and sets the cursor.
func (w *watch) begin(asked uint64) {
	wantsState := asked == 0 && w.options.initialEvents == nil
	if w.options.initialEvents != nil {
		wantsState = *w.options.initialEvents
	}
	if !wantsState && asked > 0 {
		return
	}
	objects, version := w.server.store.snapshot(w.view.kind)
	w.cursor = version
	if !wantsState {
		return
	}
	sent := 0
	for _, o := range inNamespace(objects, w.options.selector.namespace) {
		if w.options.selector.matches(o) {
			w.send(added, o)
			sent++
		}
	}
	if w.options.initialEvents != nil && w.options.bookmarks {
		w.bookmark(`,"annotations":{"k8s.io/initial-events-end":"true"}`)
	}
	w.server.counts.sentEvents(w.counted, sent)
}

// follow sends changes until the client goes, its time is up, its cursor is too old or a fault ends it.
func (w *watch) follow() {
	var deadline <-chan time.Time
	if w.options.seconds > 0 {
		timer := time.NewTimer(time.Duration(w.options.seconds) * time.Second)
		defer timer.Stop()
		deadline = timer.C
	}
	ticker := time.NewTicker(w.server.bookmarkInterval())
	defer ticker.Stop()
	w.marks = -1
	for {
		step, refusal := w.server.store.after(w.view.kind, w.cursor)
		if refusal != nil {
			w.sendError(refusal)
			return
		}
		isOver := !w.deliver(step)
		if w.out.Flush() != nil || w.flush() != nil || isOver {
			return
		}
		if len(step.events) > 0 {
			continue
		}
		if step.isGone {
			return
		}
		select {
		case <-step.changed:
		case <-ticker.C:
			w.bookmark("")
		case <-deadline:
			w.bookmark("")
			w.out.Flush()
			return
		case <-w.request.Context().Done():
			return
		case <-w.server.stopping:
			return
		}
	}
}

// deliver sends what the selector lets through; false when the watch is over.
func (w *watch) deliver(step progress) bool {
	sent := 0
	for _, e := range step.events {
		how, o, ok := w.asSeen(e)
		if !ok {
			continue
		}
		if !w.strike(e) {
			return false
		}
		w.send(how, o)
		sent++
	}
	w.cursor = step.upTo
	if sent > 0 {
		w.server.counts.sentEvents(w.counted, sent)
	}
	if w.marks >= 0 && step.marks > w.marks {
		w.bookmark("")
	}
	w.marks = step.marks
	return true
}

// asSeen is a change as a watch with a selector sees it: an object that begins to match is added, one
// that ceases to is deleted.
func (w *watch) asSeen(e event) (change, *object, bool) {
	selector := &w.options.selector
	matched := e.previous != nil && selector.matches(e.previous)
	matches := e.change != deleted && selector.matches(e.object)
	switch {
	case matches && matched:
		return modified, e.object, true
	case matches:
		return added, e.object, true
	case matched && e.change == deleted:
		return deleted, e.object, true
	case matched:
		return deleted, e.previous.at(w.view.kind, e.version()), true
	}
	return 0, nil, false
}

func (w *watch) send(how change, o *object) {
	fmt.Fprintf(w.out, `{"type":"%s","object":`, how)
	w.view.write(w.out, o)
	w.out.WriteString("}\n")
}

func (w *watch) bookmark(annotations string) {
	if !w.options.bookmarks {
		return
	}
	fmt.Fprintf(w.out, `{"type":"BOOKMARK","object":%s"metadata":{"resourceVersion":"%d","creationTimestamp":null%s}}}`+"\n",
		w.view.bookmarkPrefix(), w.cursor, annotations)
}

func (w *watch) sendError(refusal *apiError) {
	w.out.WriteString(`{"type":"ERROR","object":`)
	w.out.Write(refusal.encode())
	w.out.WriteString("}\n")
	w.out.Flush()
	w.flush()
}

// strike lets the faults with the verb "event" act on the next event; false when the watch is over.
func (w *watch) strike(next event) bool {
	for _, f := range w.server.faults.take(w.view.kind.id(), "event", w.request.UserAgent()) {
		if f.Action == "delay" || f.Action == "hang" {
			w.out.Flush()
			w.flush()
			if !f.hold(w.request.Context()) {
				return false
			}
			continue
		}
		w.end(f.Action, next)
		return false
	}
	return true
}

func (w *watch) end(action string, next event) {
	switch action {
	case "gone":
		w.sendError(expired(w.cursor, next.version()))
	case "garbage":
		io.WriteString(w.out, "this is no event\n")
	case "torn":
		var whole bytes.Buffer
		w.view.write(&whole, next.object)
		fmt.Fprintf(w.out, `{"type":"%s","object":%s`, next.change, whole.Bytes()[:whole.Len()/2])
	case "close", "reset":
		w.out.Flush()
		w.flush()
		if action == "close" {
			connectionOf(w.request).kill()
		}
		panic(http.ErrAbortHandler)
	}
	w.out.Flush()
	w.flush()
}
