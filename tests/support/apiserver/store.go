package main

import (
	"sync"
)

// firstVersion makes a small resourceVersion an old one from the start.
const firstVersion = 1000

// store holds the objects of all kinds under one counter of versions, as etcd does.
type store struct {
	mu         sync.RWMutex
	version    uint64
	windowSize int
	tables     map[string]*table // by kind.id()
}

func newStore(windowSize int) *store {
	return &store{version: firstVersion, windowSize: windowSize, tables: map[string]*table{}}
}

// tableOf makes the table at its first use. The caller holds mu for writing.
func (s *store) tableOf(k *kind) *table {
	t := s.tables[k.id()]
	if t == nil {
		t = newTable(firstVersion)
		s.tables[k.id()] = t
	}
	return t
}

func (s *store) get(k *kind, key string) *object {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if t := s.tables[k.id()]; t != nil {
		return t.find(key)
	}
	return nil
}

func (s *store) current() uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.version
}

// snapshot is all objects of a kind, now, and the version of that moment.
func (s *store) snapshot(k *kind) ([]*object, uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tableOf(k).share(), s.version
}

// snapshotAt is all objects of a kind at a version that is not newer than the current one.
func (s *store) snapshotAt(k *kind, version uint64) ([]*object, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tableOf(k)
	objects, ok := t.asOf(version)
	if !ok {
		return nil, expired(version, t.floor)
	}
	return objects, nil
}

// change runs one read-modify-write of one object: decide sees the stored state (nil: none) and the
// version that the new one will have, and answers with the new state; the same state as before means
// that nothing is to be done. remove instead deletes it.
type decision struct {
	object *object
	remove bool
}

func (s *store) change(k *kind, key string, decide func(stored *object, version uint64) (decision, *apiError)) (*object, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changeLocked(k, key, decide)
}

func (s *store) changeLocked(k *kind, key string, decide func(*object, uint64) (decision, *apiError)) (*object, *apiError) {
	t := s.tableOf(k)
	stored := t.find(key)
	made, refusal := decide(stored, s.version+1)
	if refusal != nil {
		return nil, refusal
	}
	switch {
	case made.remove:
		if stored == nil {
			return made.object, nil
		}
		s.version++
		last := stored.at(k, s.version)
		t.record(event{deleted, last, stored}, s.windowSize)
		return last, nil
	case made.object == stored:
		return stored, nil
	case stored == nil:
		s.version++
		t.record(event{added, made.object, nil}, s.windowSize)
	default:
		s.version++
		t.record(event{modified, made.object, stored}, s.windowSize)
	}
	return made.object, nil
}

// bulk puts many objects under one lock. make gets the version of the new state.
func (s *store) bulk(fill func(put func(k *kind, key string, make func(version uint64) *object))) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fill(func(k *kind, key string, make func(version uint64) *object) {
		s.changeLocked(k, key, func(_ *object, version uint64) (decision, *apiError) {
			return decision{object: make(version)}, nil
		})
	})
}

// progress is what a watch gets when it asks: the changes behind its cursor, how far it is then, and
// what to wait on when there is nothing.
type progress struct {
	events  []event
	upTo    uint64
	changed <-chan struct{}
	isGone  bool
	marks   int
}

const watchBatch = 256

func (s *store) after(k *kind, cursor uint64) (progress, *apiError) {
	s.mu.Lock() // not for reading: tableOf may make the table
	defer s.mu.Unlock()
	t := s.tableOf(k)
	events, ok := t.after(cursor)
	if !ok {
		return progress{}, expired(cursor, t.floor)
	}
	p := progress{upTo: max(cursor, s.version), changed: t.changed, isGone: t.isGone, marks: t.marks}
	if len(events) > watchBatch {
		events = events[:watchBatch]
		p.upTo = events[watchBatch-1].version()
	}
	p.events = append(p.events, events...)
	return p, nil
}

// forgetHistory makes every version before the current one an old one.
func (s *store) forgetHistory(k *kind) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version++
	s.tableOf(k).forget(s.version)
}

func (s *store) resizeWindow(size int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.windowSize = size
	for _, t := range s.tables {
		t.trim(size)
	}
}

func (s *store) askForBookmark(k *kind) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tableOf(k)
	t.marks++
	t.wake()
}

// setGone ends the watches of a kind that is no longer served, once they have sent what is there.
func (s *store) setGone(k *kind, isGone bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tableOf(k)
	t.isGone = isGone
	t.wake()
}

func (s *store) sizes() map[string]int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	sizes := map[string]int{}
	for id, t := range s.tables {
		sizes[id] = len(t.ordered)
	}
	return sizes
}
