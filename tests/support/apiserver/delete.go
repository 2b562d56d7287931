package main

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
)

// deleteOptions is the part of DeleteOptions that is honoured.
type deleteOptions struct {
	Preconditions *struct {
		UID             string `json:"uid"`
		ResourceVersion string `json:"resourceVersion"`
	} `json:"preconditions"`
	DryRun []string `json:"dryRun"`
}

func readDeleteOptions(r *http.Request) (options deleteOptions, refusal *apiError) {
	body, refusal := readBody(r)
	if refusal != nil || len(body) == 0 {
		return options, refusal
	}
	if err := json.Unmarshal(body, &options); err != nil {
		return options, badRequest("the DeleteOptions in the body are not JSON: %v", err)
	}
	return options, nil
}

func (o *deleteOptions) check(k *kind, stored *object) *apiError {
	p := o.Preconditions
	if p == nil {
		return nil
	}
	if p.UID != "" && p.UID != stored.uid {
		return conflict(k, stored.name(), "Precondition failed: UID in precondition: "+p.UID+", UID in object meta: "+stored.uid)
	}
	if version := strconv.FormatUint(stored.version, 10); p.ResourceVersion != "" && p.ResourceVersion != version {
		return conflict(k, stored.name(), "Precondition failed: ResourceVersion in precondition: "+p.ResourceVersion+
			", ResourceVersion in object meta: "+version)
	}
	return nil
}

// remove deletes one object: at once, or, while it has finalizers, by marking it. A bound pod is marked
// first as well, so that watches see it leave; there is no kubelet to wait for. isMarked tells the cases apart.
func (w *write) remove(options deleteOptions) (last *object, isMarked bool, refusal *apiError) {
	w.isDryRun = w.isDryRun || len(options.DryRun) > 0
	if w.kind.plural == "namespaces" || w.kind.plural == "customresourcedefinitions" {
		if refusal := w.checkExists(options); refusal != nil {
			return nil, false, refusal
		}
		w.emptyFirst()
	}
	last, refusal = w.commit(w.to.name, func(stored *object, version uint64) (decision, *apiError) {
		if stored == nil {
			return decision{}, notFound(w.kind, w.to.name)
		}
		if refusal := options.check(w.kind, stored); refusal != nil {
			return decision{}, refusal
		}
		doc := stored.document(w.kind, w.to.version)
		isMarked = len(doc.list("metadata.finalizers")) > 0
		if !isMarked && w.kind.plural != "pods" && w.kind.plural != "namespaces" {
			return decision{object: stored, remove: true}, nil
		}
		if doc.text("metadata.deletionTimestamp") != "" {
			return decision{object: stored, remove: !isMarked}, nil
		}
		return w.mark(doc, version)
	})
	if refusal != nil || isMarked || w.isDryRun || last == nil {
		return last, isMarked, refusal
	}
	w.server.store.change(w.kind, last.key, func(stored *object, _ uint64) (decision, *apiError) {
		return decision{object: stored, remove: stored != nil && stored.uid == last.uid}, nil
	})
	if w.kind.plural == "customresourcedefinitions" {
		w.server.forgetDefinition(last)
	}
	return last, false, nil
}

func (w *write) checkExists(options deleteOptions) *apiError {
	stored := w.server.store.get(w.kind, w.to.name)
	if stored == nil {
		return notFound(w.kind, w.to.name)
	}
	return options.check(w.kind, stored)
}

func (w *write) mark(doc document, version uint64) (decision, *apiError) {
	doc.metadata()["deletionTimestamp"] = now()
	doc.metadata()["deletionGracePeriodSeconds"] = json.Number("0")
	if w.kind.plural == "namespaces" {
		doc["status"] = map[string]any{"phase": "Terminating"}
	}
	marked, err := encode(w.kind, doc, version)
	if err != nil {
		return decision{}, badRequest("%v", err)
	}
	return decision{object: marked}, nil
}

// emptyFirst deletes what lives in a namespace, or the objects of a definition.
func (w *write) emptyFirst() {
	if w.isDryRun {
		return
	}
	for _, k := range w.server.kinds.served() {
		isInside := w.kind.plural == "namespaces" && k.namespaced
		isDefined := w.kind.plural == "customresourcedefinitions" && k.custom && k.id() == w.to.name
		if !isInside && !isDefined {
			continue
		}
		objects, _ := w.server.store.snapshot(k)
		if isInside {
			objects = inNamespace(objects, w.to.name)
		}
		for _, o := range objects {
			w.server.store.change(k, o.key, func(stored *object, _ uint64) (decision, *apiError) {
				return decision{object: stored, remove: stored != nil}, nil
			})
		}
	}
}

func (s *server) serveDelete(w http.ResponseWriter, r *http.Request, v view, to target) *apiError {
	options, refusal := readDeleteOptions(r)
	if refusal != nil {
		return refusal
	}
	last, isMarked, refusal := s.newWrite(r, v.kind, to).remove(options)
	if refusal != nil {
		return refusal
	}
	if isMarked || v.kind.plural == "pods" || v.kind.plural == "namespaces" {
		writeObject(w, 200, &v, last)
		return nil
	}
	details := v.kind.details(last.name())
	details["uid"] = last.uid
	writeJSON(w, 200, map[string]any{"kind": "Status", "apiVersion": "v1", "metadata": map[string]any{},
		"status": "Success", "details": details})
	return nil
}

// serveDeleteCollection deletes what a list with the same options would show.
func (s *server) serveDeleteCollection(w http.ResponseWriter, r *http.Request, v view, to target) *apiError {
	options, refusal := readDeleteOptions(r)
	if refusal != nil {
		return refusal
	}
	listed, refusal := parseListOptions(v.kind, to, r.URL.Query())
	if refusal != nil {
		return refusal
	}
	p, refusal := s.list(v.kind, &listed)
	if refusal != nil {
		return refusal
	}
	for _, o := range p.items {
		one := to
		one.namespace, one.name = o.namespace(), o.name()
		if _, _, refusal := s.newWrite(r, v.kind, one).remove(options); refusal != nil && refusal.code != 404 {
			return refusal
		}
	}
	w.Header().Set("Content-Type", "application/json")
	var text strings.Builder
	writeListHead(&text, &v, page{version: s.store.current()})
	w.Write([]byte(text.String() + "]}\n"))
	return nil
}
