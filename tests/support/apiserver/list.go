package main

import (
	"bufio"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// cursor is where a continued list goes on: behind a key, at the version of its first page.
type cursor struct {
	Version int64  `json:"rv"` // -1: whatever is current, the client said that it accepts that
	After   string `json:"after"`
}

func (c cursor) encode() string {
	text, _ := json.Marshal(c)
	return base64.RawURLEncoding.EncodeToString(text)
}

func parseCursor(token string) (c cursor, refusal *apiError) {
	text, err := base64.RawURLEncoding.DecodeString(token)
	if err == nil {
		err = json.Unmarshal(text, &c)
	}
	if err != nil {
		return c, badRequest("continue key is not valid: %v", err)
	}
	return c, nil
}

// page is what one list answers with.
type page struct {
	items     []*object
	version   uint64
	next      string
	remaining int // behind this page; only told when there is no selector
}

func (s *server) list(k *kind, o *listOptions) (page, *apiError) {
	objects, version, after, refusal := s.listSource(k, o)
	if refusal != nil {
		return page{}, refusal
	}
	if o.version == "0" && o.next == "" {
		o.limit = 0 // served from the watch cache, which has no pages
	}
	objects = inNamespace(objects, o.selector.namespace)
	if after != "" {
		at, found := search(objects, after)
		if found {
			at++
		}
		objects = objects[at:]
	}
	return cut(objects, version, o), nil
}

// listSource chooses the state that a list shows: resourceVersion, resourceVersionMatch and continue.
func (s *server) listSource(k *kind, o *listOptions) (objects []*object, version uint64, after string, refusal *apiError) {
	if o.next != "" {
		return s.continuedSource(k, o.next)
	}
	asked, refusal := parseVersion(o.version)
	if refusal != nil {
		return nil, 0, "", refusal
	}
	if current := s.store.current(); asked > current {
		return nil, 0, "", tooLargeVersion(asked, current)
	}
	isExact := o.match == "Exact" || (o.match == "" && o.limit > 0 && asked > 0)
	if isExact {
		objects, refusal = s.store.snapshotAt(k, asked)
		return objects, asked, "", refusal
	}
	objects, version = s.store.snapshot(k)
	return objects, version, "", nil
}

func (s *server) continuedSource(k *kind, token string) (objects []*object, version uint64, after string, refusal *apiError) {
	from, refusal := parseCursor(token)
	if refusal != nil {
		return nil, 0, "", refusal
	}
	if from.Version < 0 {
		objects, version = s.store.snapshot(k)
		return objects, version, from.After, nil
	}
	version = uint64(from.Version)
	if objects, refusal = s.store.snapshotAt(k, version); refusal != nil {
		return nil, 0, "", expiredContinue(cursor{-1, from.After}.encode())
	}
	return objects, version, from.After, nil
}

func inNamespace(objects []*object, namespace string) []*object {
	if namespace == "" {
		return objects
	}
	first, _ := search(objects, namespace+"/")
	last, _ := search(objects, namespace+"0") // '0' follows '/'
	return objects[first:last]
}

func cut(objects []*object, version uint64, o *listOptions) page {
	p := page{version: version}
	if o.selector.isEverything() {
		p.items = objects
		if o.limit > 0 && len(objects) > o.limit {
			p.items, p.remaining = objects[:o.limit], len(objects)-o.limit
			p.next = cursor{int64(version), p.items[o.limit-1].key}.encode()
		}
		return p
	}
	for _, object := range objects {
		if !o.selector.matches(object) {
			continue
		}
		if o.limit > 0 && len(p.items) == o.limit {
			p.next = cursor{int64(version), p.items[o.limit-1].key}.encode()
			break
		}
		p.items = append(p.items, object)
	}
	return p
}

func (s *server) serveList(w http.ResponseWriter, r *http.Request, v view, o *listOptions) *apiError {
	p, refusal := s.list(v.kind, o)
	if refusal != nil {
		return refusal
	}
	w.Header().Set("Content-Type", "application/json")
	body, finish := compressed(w, r, p)
	buffered := bufio.NewWriterSize(body, 64<<10)
	writeListHead(buffered, &v, p)
	for i, o := range p.items {
		if i > 0 {
			buffered.WriteByte(',')
		}
		v.writeItem(buffered, o)
	}
	buffered.WriteString("]}\n")
	buffered.Flush()
	finish()
	return nil
}

func writeListHead(w io.Writer, v *view, p page) {
	name, apiVersion := v.listType()
	fmt.Fprintf(w, `{"kind":%q,"apiVersion":%q,"metadata":{"resourceVersion":"%d"`, name, apiVersion, p.version)
	if p.next != "" {
		fmt.Fprintf(w, `,"continue":%q`, p.next)
	}
	if p.remaining > 0 {
		fmt.Fprintf(w, `,"remainingItemCount":%d`, p.remaining)
	}
	io.WriteString(w, `},"items":[`)
}

const compressFrom = 128 << 10 // as the real server

func compressed(w http.ResponseWriter, r *http.Request, p page) (io.Writer, func()) {
	size := 0
	for _, o := range p.items {
		size += len(o.text)
	}
	if size < compressFrom || !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		return w, func() {}
	}
	w.Header().Set("Content-Encoding", "gzip")
	w.Header().Add("Vary", "Accept-Encoding")
	writer, _ := gzip.NewWriterLevel(w, gzip.BestSpeed)
	return writer, func() { writer.Close() }
}
