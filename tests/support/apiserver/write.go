package main

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// write is one request that changes an object.
type write struct {
	server      *server
	kind        *kind
	to          target
	manager     string
	isDryRun    bool
	keepsStatus bool // the control API loads objects whole
}

func (s *server) newWrite(r *http.Request, k *kind, to target) *write {
	manager := r.URL.Query().Get("fieldManager")
	if manager == "" {
		manager, _, _ = strings.Cut(r.UserAgent(), "/")
	}
	return &write{server: s, kind: k, to: to, manager: manager, isDryRun: r.URL.Query().Get("dryRun") == "All"}
}

func newUID() string {
	var raw [16]byte
	rand.Read(raw[:])
	raw[6], raw[8] = raw[6]&0x0f|0x40, raw[8]&0x3f|0x80
	text := hex.EncodeToString(raw[:])
	return text[:8] + "-" + text[8:12] + "-" + text[12:16] + "-" + text[16:20] + "-" + text[20:]
}

func now() string { return time.Now().UTC().Format(time.RFC3339) }

const bodyMax = 3 << 20 // as the real server

func readBody(r *http.Request) ([]byte, *apiError) {
	body, err := io.ReadAll(io.LimitReader(r.Body, bodyMax+1))
	switch {
	case err != nil:
		return nil, badRequest("the body ended early: %v", err)
	case len(body) > bodyMax:
		return nil, &apiError{code: 413, reason: "RequestEntityTooLarge",
			message: fmt.Sprintf("Request entity too large: limit is %d", bodyMax)}
	}
	return body, nil
}

// readDocument reads a body that holds one whole object of the kind.
func (w *write) readDocument(r *http.Request) (document, *apiError) {
	media, _ := parseOffer(r.Header.Get("Content-Type"))
	if media != "" && media != "application/json" {
		return nil, unsupportedMediaType(media, "application/json")
	}
	body, refusal := readBody(r)
	if refusal != nil {
		return nil, refusal
	}
	doc, err := decodeDocument(body)
	if err != nil {
		return nil, badRequest("the object provided is unrecognized (must be of type %s): %v", w.kind.name, err)
	}
	return doc, w.place(doc)
}

// place checks that a document is where the path says, and fills in what it leaves to the path.
func (w *write) place(doc document) *apiError {
	metadata := doc.metadata()
	apiVersion := w.kind.apiVersion(w.to.version)
	if given := doc.text("apiVersion"); given != "" && given != apiVersion {
		return badRequest("the API version in the data (%s) does not match the expected API version (%s)", given, apiVersion)
	}
	if given := doc.text("kind"); given != "" && given != w.kind.name {
		return badRequest("%s in version %q cannot be handled as a %s", given, w.to.version, w.kind.name)
	}
	if given := doc.text("metadata.namespace"); given != "" && given != w.to.namespace {
		return badRequest("the namespace of the provided object does not match the namespace sent on the request")
	}
	if w.to.namespace != "" {
		metadata["namespace"] = w.to.namespace
	}
	name := doc.text("metadata.name")
	switch {
	case w.to.name != "" && name != "" && name != w.to.name:
		return badRequest("the name of the object (%s) does not match the name on the URL (%s)", name, w.to.name)
	case w.to.name != "":
		metadata["name"] = w.to.name
	case name == "" && doc.text("metadata.generateName") != "":
		metadata["name"] = doc.text("metadata.generateName") + newUID()[:5]
	case name == "":
		return invalid(w.kind, "", "metadata.name", "FieldValueRequired", "Required value: name or generateName is required")
	}
	return nil
}

func (w *write) create(doc document) (*object, *apiError) {
	if doc.text("metadata.resourceVersion") != "" {
		return nil, badRequest("resourceVersion should not be set on objects to be created")
	}
	return w.commit(doc.text("metadata.name"), func(stored *object, version uint64) (decision, *apiError) {
		if stored != nil {
			return decision{}, alreadyExists(w.kind, stored.name())
		}
		return w.first(doc, version, "Update")
	})
}

// first makes the first state of an object. The caller holds the store.
func (w *write) first(doc document, version uint64, operation string) (decision, *apiError) {
	if w.to.namespace != "" && w.server.store.tables["namespaces"].find(w.to.namespace) == nil {
		return decision{}, notFound(w.server.kinds.builtin("namespaces"), w.to.namespace)
	}
	metadata := doc.metadata()
	setIfAbsent(metadata, "uid", newUID())
	setIfAbsent(metadata, "creationTimestamp", now())
	if w.kind.custom || w.kind.plural == "pods" {
		metadata["generation"] = json.Number("1")
	}
	if w.kind.hasStatus && !w.keepsStatus && w.kind.plural != "nodes" {
		delete(doc, "status")
	}
	w.server.fillDefaults(w.kind, doc)
	if !w.keepsStatus {
		metadata["managedFields"] = []any{managedEntry(w.kind.apiVersion(w.to.version), w.manager, operation, "", doc)}
	}
	made, err := encode(w.kind, doc, version)
	if err != nil {
		return decision{}, badRequest("%v", err)
	}
	return decision{object: made}, nil
}

func setIfAbsent(fields map[string]any, name string, value any) {
	if given, ok := fields[name]; !ok || given == nil || given == "" {
		fields[name] = value
	}
}

func (w *write) update(doc document) (*object, *apiError) {
	return w.commit(doc.text("metadata.name"), func(stored *object, version uint64) (decision, *apiError) {
		if stored == nil {
			return decision{}, notFound(w.kind, doc.text("metadata.name"))
		}
		if refusal := w.checkVersion(doc, stored); refusal != nil {
			return decision{}, refusal
		}
		return w.next(doc, stored, version, "Update")
	})
}

// checkVersion is optimistic concurrency: a version that the client names must be the stored one.
func (w *write) checkVersion(doc document, stored *object) *apiError {
	given := doc.text("metadata.resourceVersion")
	switch {
	case given == "" && (w.kind.custom || w.kind.needsRV):
		return invalid(w.kind, stored.name(), "metadata.resourceVersion", "FieldValueInvalid",
			"Invalid value: 0x0: must be specified for an update")
	case given != "" && given != strconv.FormatUint(stored.version, 10):
		return conflict(w.kind, stored.name(),
			"the object has been modified; please apply your changes to the latest version and try again")
	}
	if uid := doc.text("metadata.uid"); uid != "" && uid != stored.uid {
		return conflict(w.kind, stored.name(), fmt.Sprintf("Precondition failed: UID in precondition: %s, UID in object meta: %s",
			uid, stored.uid))
	}
	return nil
}

// next makes the state that follows a stored one: the server's own fields stay, and of doc only what the
// subresource covers is taken. The same state again is no change.
func (w *write) next(doc document, stored *object, version uint64, operation string) (decision, *apiError) {
	before := stored.document(w.kind, w.to.version)
	if w.to.subresource == "status" {
		doc = withStatus(stored.document(w.kind, w.to.version), doc)
	} else if w.kind.hasStatus && !w.keepsStatus {
		doc = withStatus(doc, before)
	}
	owners := before.list("metadata.managedFields")
	metadata := doc.metadata()
	for _, name := range []string{"uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds"} {
		keep(metadata, before.metadata(), name)
	}
	w.server.keepAllocated(w.kind, doc, before)
	keep(metadata, before.metadata(), "managedFields")
	entry := managedEntry(w.kind.apiVersion(w.to.version), w.manager, operation, w.to.subresource, doc)
	isSame, err := sameState(w.kind, doc, stored)
	if err != nil {
		return decision{}, badRequest("%v", err)
	}
	if isSame && owns(owners, entry) {
		return decision{object: stored}, nil
	}
	if !isSame {
		w.raiseGeneration(doc, before)
	}
	metadata["managedFields"] = withOwner(owners, entry, operation == "Apply" && isSame)
	made, err := encode(w.kind, doc, version)
	if err != nil {
		return decision{}, badRequest("%v", err)
	}
	return decision{object: made, remove: isLeaving(doc)}, nil
}

func keep(fields, from map[string]any, name string) {
	if value, ok := from[name]; ok {
		fields[name] = value
	} else {
		delete(fields, name)
	}
}

// withStatus is base with the status of other.
func withStatus(base, other document) document {
	if status, ok := other["status"]; ok {
		base["status"] = status
	} else {
		delete(base, "status")
	}
	return base
}

// sameState compares in encode's own order of fields: loaded text may have another.
func sameState(k *kind, doc document, stored *object) (bool, error) {
	again, err := encode(k, doc, stored.version)
	return err == nil && bytes.Equal(again.text, stored.at(k, stored.version).text), err
}

func (w *write) raiseGeneration(doc, before document) {
	if !w.kind.custom && w.kind.plural != "pods" || w.to.subresource == "status" {
		return
	}
	for _, side := range []document{doc, before} {
		for _, name := range []string{"apiVersion", "kind"} {
			delete(side, name)
		}
	}
	if contentOf(doc) != contentOf(before) {
		old, _ := strconv.Atoi(fmt.Sprint(before.metadata()["generation"]))
		doc.metadata()["generation"] = json.Number(strconv.Itoa(old + 1))
	}
}

// contentOf is what a generation counts: everything but metadata and status.
func contentOf(doc document) string {
	content := map[string]any{}
	for name, value := range doc {
		if name != "metadata" && name != "status" {
			content[name] = value
		}
	}
	text, _ := json.Marshal(content)
	return string(text)
}

// isLeaving: deletion was asked for and the last finalizer is gone.
func isLeaving(doc document) bool {
	return doc.text("metadata.deletionTimestamp") != "" && len(doc.list("metadata.finalizers")) == 0
}

// commit runs one change in the store, and what follows from it.
func (w *write) commit(name string, decide func(*object, uint64) (decision, *apiError)) (*object, *apiError) {
	var tried *object
	made, refusal := w.server.store.change(w.kind, objectKey(w.to.namespace, name),
		func(stored *object, version uint64) (decision, *apiError) {
			made, refusal := decide(stored, version)
			if w.isDryRun && refusal == nil {
				tried = made.object
				return decision{object: stored}, nil
			}
			return made, refusal
		})
	if tried != nil {
		return tried, nil
	}
	if refusal == nil && w.kind.plural == "customresourcedefinitions" {
		w.server.learnDefinition(made)
	}
	return made, refusal
}
