package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
)

// load stores one object as it is, its status too, whether it exists or not. Needs apiVersion and kind.
func (s *server) load(text []byte) (*object, error) {
	doc, err := decodeDocument(text)
	if err != nil {
		return nil, fmt.Errorf("not a JSON object: %w", err)
	}
	k, version, err := s.kinds.byName(doc.text("apiVersion"), doc.text("kind"))
	if err != nil {
		return nil, err
	}
	to := target{group: k.group, version: version, plural: k.plural, name: doc.text("metadata.name")}
	if k.namespaced {
		if to.namespace = doc.text("metadata.namespace"); to.namespace == "" {
			to.namespace = "default"
		}
	}
	w := &write{server: s, kind: k, to: to, manager: "standin-load", keepsStatus: true}
	if refusal := w.place(doc); refusal != nil {
		return nil, refusal
	}
	delete(doc.metadata(), "resourceVersion")
	made, refusal := w.commit(to.name, func(stored *object, version uint64) (decision, *apiError) {
		if stored == nil {
			return w.first(doc, version, "Update")
		}
		return w.next(doc, stored, version, "Update")
	})
	if refusal != nil {
		return nil, refusal
	}
	return made, nil
}

// loadLines stores one object a line; it stops at the first that it cannot store.
func (s *server) loadLines(from io.Reader) (count int, err error) {
	lines := bufio.NewScanner(from)
	lines.Buffer(make([]byte, 64<<10), bodyMax)
	for number := 1; lines.Scan(); number++ {
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 {
			continue
		}
		if _, err := s.load(line); err != nil {
			return count, fmt.Errorf("line %d: %w", number, err)
		}
		count++
	}
	return count, lines.Err()
}
