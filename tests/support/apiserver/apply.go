package main

import (
	"fmt"
	"net/http"
	"strings"
)

// Patches: JSON merge patch (RFC 7396), and server-side apply at the granularity of the whole object: the
// applied configuration replaces what is there (the status apart), and a second manager needs force.

const mergePatch = "application/merge-patch+json"
const applyPatch = "application/apply-patch+yaml"

// patch answers with the object and whether it is new.
func (w *write) patch(r *http.Request, media string) (made *object, isNew bool, refusal *apiError) {
	body, refusal := readBody(r)
	if refusal != nil {
		return nil, false, refusal
	}
	if media == jsonPatch {
		made, refusal = w.patchJSON(body)
		return made, false, refusal
	}
	doc, err := decodeDocument(body)
	if err != nil {
		return nil, false, badRequest("error decoding patch (the stand-in reads JSON only): %v", err)
	}
	if media == applyPatch {
		return w.apply(doc, r.URL.Query().Get("fieldManager"), isTrue(r.URL.Query().Get("force")))
	}
	made, refusal = w.merge(doc)
	return made, false, refusal
}

func (w *write) merge(patch document) (*object, *apiError) {
	return w.commit(w.to.name, func(stored *object, version uint64) (decision, *apiError) {
		if stored == nil {
			return decision{}, notFound(w.kind, w.to.name)
		}
		merged := document(mergeInto(stored.document(w.kind, w.to.version), patch))
		if patch.text("metadata.resourceVersion") != "" {
			if refusal := w.checkVersion(merged, stored); refusal != nil {
				return decision{}, refusal
			}
		}
		if refusal := w.place(merged); refusal != nil {
			return decision{}, refusal
		}
		return w.next(merged, stored, version, "Update")
	})
}

// mergeInto is RFC 7396 section 2; target is changed and returned.
func mergeInto(target, patch map[string]any) map[string]any {
	for name, value := range patch {
		inner, isObject := value.(map[string]any)
		switch {
		case value == nil:
			delete(target, name)
		case isObject:
			old, _ := target[name].(map[string]any)
			if old == nil {
				old = map[string]any{}
			}
			target[name] = mergeInto(old, inner)
		default:
			target[name] = value
		}
	}
	return target
}

func (w *write) apply(doc document, manager string, isForced bool) (made *object, isNew bool, refusal *apiError) {
	if manager == "" {
		return nil, false, &apiError{code: 422, reason: "Invalid",
			message: `PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch`}
	}
	if doc.text("apiVersion") == "" || doc.text("kind") == "" {
		return nil, false, badRequest("an applied configuration needs apiVersion and kind")
	}
	if len(doc.list("metadata.managedFields")) > 0 {
		return nil, false, badRequest("metadata.managedFields must be nil")
	}
	if refusal := w.place(doc); refusal != nil {
		return nil, false, refusal
	}
	made, refusal = w.commit(w.to.name, func(stored *object, version uint64) (decision, *apiError) {
		if stored != nil {
			return w.applyOver(doc, stored, version, isForced)
		}
		switch {
		case doc.text("metadata.resourceVersion") != "":
			return decision{}, conflict(w.kind, w.to.name, "resourceVersion is set but the object does not exist")
		case w.to.subresource != "":
			return decision{}, notFound(w.kind, w.to.name)
		}
		isNew = true
		return w.first(doc, version, "Apply")
	})
	return made, isNew, refusal
}

func (w *write) applyOver(doc document, stored *object, version uint64, isForced bool) (decision, *apiError) {
	if doc.text("metadata.resourceVersion") != "" {
		if refusal := w.checkVersion(doc, stored); refusal != nil {
			return decision{}, refusal
		}
	}
	made, refusal := w.next(doc, stored, version, "Apply")
	if refusal != nil || made.object == stored {
		return made, refusal
	}
	owners := stored.document(w.kind, w.to.version).list("metadata.managedFields")
	if others := otherOwners(owners, w.manager, w.to.subresource); len(others) > 0 && !isForced &&
		!sharesContent(w.kind, w.to.version, made.object, stored) {
		return decision{}, w.ownedByOthers(others)
	}
	return made, nil
}

func sharesContent(k *kind, version string, a, b *object) bool {
	one, other := a.document(k, version), b.document(k, version)
	for _, doc := range []document{one, other} {
		for _, name := range []string{"managedFields", "resourceVersion", "generation"} {
			delete(doc.metadata(), name)
		}
	}
	same, err := encode(k, one, 0)
	if err != nil {
		return false
	}
	again, err := encode(k, other, 0)
	return err == nil && string(same.text) == string(again.text)
}

func (w *write) ownedByOthers(others []string) *apiError {
	details := w.kind.details(w.to.name)
	var causes []any
	var named []string
	for _, other := range others {
		text := fmt.Sprintf("conflict with %q", other)
		named = append(named, text)
		causes = append(causes, map[string]any{"reason": "FieldManagerConflict", "message": text, "field": "."})
	}
	details["causes"] = causes
	return &apiError{code: 409, reason: "Conflict", details: details,
		message: fmt.Sprintf("Apply failed, of %d managers that own the whole object: %s", len(others),
			strings.Join(named, ", "))}
}

// managedEntry records who wrote what, by top-level field.
func managedEntry(apiVersion, manager, operation, subresource string, doc document) map[string]any {
	fields := map[string]any{}
	for name := range doc {
		isCovered := (name == "status") == (subresource == "status")
		if isCovered && name != "apiVersion" && name != "kind" && name != "metadata" {
			fields["f:"+name] = map[string]any{}
		}
	}
	entry := map[string]any{"manager": manager, "operation": operation, "apiVersion": apiVersion,
		"time": now(), "fieldsType": "FieldsV1", "fieldsV1": fields}
	if subresource != "" {
		entry["subresource"] = subresource
	}
	return entry
}

func sameOwner(a, b map[string]any) bool {
	return a["manager"] == b["manager"] && a["operation"] == b["operation"] && a["subresource"] == b["subresource"]
}

func owns(owners []any, entry map[string]any) bool {
	for _, owner := range owners {
		if fields, ok := owner.(map[string]any); ok && sameOwner(fields, entry) {
			return true
		}
	}
	return false
}

// withOwner is the owners after a write: an apply takes the object from all others unless it agrees with
// them, an update joins them.
func withOwner(owners []any, entry map[string]any, isShared bool) []any {
	var list []any
	for _, owner := range owners {
		fields, _ := owner.(map[string]any)
		isOtherPart := fields["subresource"] != entry["subresource"]
		if !sameOwner(fields, entry) && (isOtherPart || isShared || entry["operation"] == "Update") {
			list = append(list, owner)
		}
	}
	return append(list, entry)
}

func otherOwners(owners []any, manager, subresource string) (others []string) {
	for _, owner := range owners {
		fields, _ := owner.(map[string]any)
		name, _ := fields["manager"].(string)
		part, _ := fields["subresource"].(string)
		if part == subresource && !(name == manager && fields["operation"] == "Apply") {
			others = append(others, name)
		}
	}
	return others
}
