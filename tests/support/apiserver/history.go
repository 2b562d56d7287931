package main

import (
	"slices"
	"sort"
	"strings"
)

type change int

const (
	added change = iota
	modified
	deleted
)

func (c change) String() string { return [...]string{"ADDED", "MODIFIED", "DELETED"}[c] }

// event is one change of one object. previous is nil for added; for deleted, object is the last state
// under the version of its deletion.
type event struct {
	change   change
	object   *object
	previous *object
}

func (e event) version() uint64 { return e.object.version }

// table is the objects of one kind, ordered by key, and the window of its last changes. A watch is a
// cursor into that window: there is no queue per watch. Guarded by store.mu.
type table struct {
	ordered  []*object
	isShared bool // somebody reads ordered without the lock: copy before the next change
	window   []event
	floor    uint64        // every change after this version is in the window
	changed  chan struct{} // closed and replaced at each change
	isGone   bool          // the kind is no longer served
	marks    int           // how often bookmarks were asked for
}

func newTable(version uint64) *table {
	return &table{floor: version, changed: make(chan struct{})}
}

func search(objects []*object, key string) (int, bool) {
	return slices.BinarySearchFunc(objects, key, func(o *object, key string) int {
		return strings.Compare(o.key, key)
	})
}

func (t *table) find(key string) *object {
	if at, ok := search(t.ordered, key); ok {
		return t.ordered[at]
	}
	return nil
}

func (t *table) share() []*object {
	t.isShared = true
	return t.ordered
}

// record applies one change and keeps it in the window, of at most size changes.
func (t *table) record(e event, size int) {
	if t.isShared {
		t.ordered = slices.Clone(t.ordered)
		t.isShared = false
	}
	t.ordered = apply(t.ordered, e)
	t.window = append(t.window, e)
	t.trim(size)
	t.wake()
}

func apply(objects []*object, e event) []*object {
	at, found := search(objects, e.object.key)
	switch {
	case e.change == deleted && found:
		return slices.Delete(objects, at, at+1)
	case e.change != deleted && found:
		objects[at] = e.object
	case e.change != deleted:
		return slices.Insert(objects, at, e.object)
	}
	return objects
}

// trim forgets the oldest changes. The window may hold up to twice its size in memory, so that a change
// need not move it each time; what is beyond size is behind the floor all the same.
func (t *table) trim(size int) {
	extra := len(t.window) - size
	if extra <= 0 {
		return
	}
	t.floor = max(t.floor, t.window[extra-1].version())
	if extra >= max(size, 64) {
		t.window = append([]event(nil), t.window[extra:]...)
	}
}

// forget moves the floor to version: who comes with an older one gets 410.
func (t *table) forget(version uint64) {
	t.window = nil
	t.floor = version
	t.wake()
}

func (t *table) wake() {
	close(t.changed)
	t.changed = make(chan struct{})
}

// after is the changes behind version, in order; ok is false when some of them are forgotten.
func (t *table) after(version uint64) (events []event, ok bool) {
	if version < t.floor {
		return nil, false
	}
	first := sort.Search(len(t.window), func(i int) bool { return t.window[i].version() > version })
	return t.window[first:], true
}

// asOf is the objects as they were at version, by undoing what came later.
func (t *table) asOf(version uint64) (objects []*object, ok bool) {
	events, ok := t.after(version)
	if !ok {
		return nil, false
	}
	if len(events) == 0 {
		return t.share(), true
	}
	objects = slices.Clone(t.ordered)
	for _, e := range slices.Backward(events) {
		objects = undo(objects, e)
	}
	return objects, true
}

func undo(objects []*object, e event) []*object {
	if e.change == added {
		return apply(objects, event{change: deleted, object: e.object})
	}
	return apply(objects, event{change: modified, object: e.previous})
}
