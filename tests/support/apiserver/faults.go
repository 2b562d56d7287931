package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// fault is one misbehaviour on demand. It applies to requests, or, with the verb "event", to the moment
// when an open watch is about to send events.
type fault struct {
	ID         int    `json:"id"`
	Kind       string `json:"kind,omitempty"`       // as kind.id(); empty: every kind
	Verb       string `json:"verb,omitempty"`       // empty: every verb but "event"
	UserAgent  string `json:"user_agent,omitempty"` // a part of it
	Action     string `json:"action"`
	Status     int    `json:"status,omitempty"`
	RetryAfter int    `json:"retry_after,omitempty"`
	DelayMS    int    `json:"delay_ms,omitempty"`
	Skip       int    `json:"skip,omitempty"`  // lets the first ones pass
	Times      int    `json:"times,omitempty"` // 0: until it is removed
	Hits       int    `json:"hits"`

	removed chan struct{}
}

var requestActions = []string{"status", "delay", "hang", "close", "reset"}
var eventActions = []string{"gone", "delay", "hang", "close", "reset", "end", "torn", "garbage"}

func (f *fault) check() error {
	actions := requestActions
	if f.Verb == "event" {
		actions = eventActions
	}
	switch {
	case !slices.Contains(actions, f.Action):
		return fmt.Errorf("fault: action %q does not exist for verb %q, use one of %s", f.Action, f.Verb,
			strings.Join(actions, ", "))
	case f.Action == "status" && (f.Status < 400 || f.Status > 599):
		return fmt.Errorf("fault: status %d is not an error, use 400 to 599", f.Status)
	case f.Action == "delay" && f.DelayMS <= 0:
		return fmt.Errorf("fault: delay needs a delay_ms above 0")
	}
	return nil
}

func (f *fault) concerns(kindID, verb, userAgent string) bool {
	return (f.Kind == "" || f.Kind == kindID) && (f.Verb == verb || (f.Verb == "" && verb != "event")) &&
		strings.Contains(userAgent, f.UserAgent)
}

// faults is the list that the control API writes and the request paths ask.
type faults struct {
	mu     sync.Mutex
	lastID int
	list   []*fault
}

func (all *faults) add(f fault) (fault, error) {
	if err := f.check(); err != nil {
		return f, err
	}
	all.mu.Lock()
	defer all.mu.Unlock()
	all.lastID++
	f.ID, f.Hits, f.removed = all.lastID, 0, make(chan struct{})
	all.list = append(all.list, &f)
	return f, nil
}

// remove takes one fault away, or with id 0 all; what hangs on it goes on.
func (all *faults) remove(id int) int {
	all.mu.Lock()
	defer all.mu.Unlock()
	before := len(all.list)
	all.list = slices.DeleteFunc(all.list, func(f *fault) bool {
		if id != 0 && f.ID != id {
			return false
		}
		close(f.removed)
		return true
	})
	return before - len(all.list)
}

func (all *faults) snapshot() []fault {
	all.mu.Lock()
	defer all.mu.Unlock()
	list := []fault{}
	for _, f := range all.list {
		list = append(list, *f)
	}
	return list
}

// take returns the faults that strike now, delays first, and counts them. A fault that struck Times
// times stays in the list, spent, so that a test can read its hits.
func (all *faults) take(kindID, verb, userAgent string) (struck []*fault) {
	all.mu.Lock()
	defer all.mu.Unlock()
	for _, f := range all.list {
		if !f.concerns(kindID, verb, userAgent) || (f.Times > 0 && f.Hits >= f.Times) {
			continue
		}
		if f.Skip > 0 {
			f.Skip--
			continue
		}
		f.Hits++
		struck = append(struck, f)
	}
	slices.SortStableFunc(struck, func(a, b *fault) int { return rank(a) - rank(b) })
	return struck
}

func rank(f *fault) int {
	switch f.Action {
	case "delay":
		return 0
	case "hang":
		return 1
	default:
		return 2
	}
}

// hold waits as long as a delay or hang asks; false when the client went away meanwhile.
func (f *fault) hold(ctx context.Context) bool {
	var delay <-chan time.Time
	if f.Action == "delay" {
		timer := time.NewTimer(time.Duration(f.DelayMS) * time.Millisecond)
		defer timer.Stop()
		delay = timer.C
	}
	select {
	case <-delay:
	case <-f.removed:
	case <-ctx.Done():
		return false
	}
	return true
}

// strike lets the faults of a request act; false when the request is over by that.
func (s *server) strike(w http.ResponseWriter, r *http.Request, kindID, verb string) bool {
	for _, f := range s.faults.take(kindID, verb, r.UserAgent()) {
		switch f.Action {
		case "delay", "hang":
			if f.Action == "hang" && verb == "watch" {
				startStream(w)
			}
			if !f.hold(r.Context()) {
				return false
			}
		case "status":
			onDemand(f.Status, f.RetryAfter).write(w)
			return false
		case "close":
			connectionOf(r).kill()
			return false
		case "reset":
			panic(http.ErrAbortHandler) // net/http: RST_STREAM, or the end of an HTTP/1.1 connection
		}
	}
	return true
}
