package main

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// JSON patch (RFC 6902), the operations test and remove: what takes one element out of a list safely.

const jsonPatch = "application/json-patch+json"

type jsonOperation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value"`
}

func (w *write) patchJSON(body []byte) (*object, *apiError) {
	var operations []jsonOperation
	decoder := json.NewDecoder(strings.NewReader(string(body)))
	decoder.UseNumber()
	if err := decoder.Decode(&operations); err != nil {
		return nil, badRequest("error decoding patch: %v", err)
	}
	return w.commit(w.to.name, func(stored *object, version uint64) (decision, *apiError) {
		if stored == nil {
			return decision{}, notFound(w.kind, w.to.name)
		}
		doc := stored.document(w.kind, w.to.version)
		for _, operation := range operations {
			if err := operation.run(doc); err != nil {
				return decision{}, &apiError{code: 422, reason: "Invalid", details: w.kind.details(w.to.name),
					message: fmt.Sprintf("the server rejected our request due to an error in our request: %v", err)}
			}
		}
		if refusal := w.place(doc); refusal != nil {
			return decision{}, refusal
		}
		return w.next(doc, stored, version, "Update")
	})
}

func (o *jsonOperation) run(doc document) error {
	steps := strings.Split(o.Path, "/")
	if len(steps) < 2 || steps[0] != "" {
		return fmt.Errorf("path %q does not begin with a slash", o.Path)
	}
	for i, step := range steps {
		steps[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(step)
	}
	_, err := o.at(map[string]any(doc), steps[1:])
	return err
}

// at does the operation below value and answers with what value is afterwards.
func (o *jsonOperation) at(value any, steps []string) (any, error) {
	if len(steps) == 0 {
		if o.Op == "test" && !reflect.DeepEqual(value, o.Value) {
			return nil, fmt.Errorf("testing value %s failed", o.Path)
		}
		return value, nil
	}
	removes := o.Op == "remove" && len(steps) == 1
	if o.Op != "test" && o.Op != "remove" {
		return nil, fmt.Errorf("the stand-in knows the operations test and remove, not %q", o.Op)
	}
	switch inner := value.(type) {
	case map[string]any:
		member, ok := inner[steps[0]]
		if !ok {
			break
		}
		if removes {
			delete(inner, steps[0])
			return inner, nil
		}
		changed, err := o.at(member, steps[1:])
		inner[steps[0]] = changed
		return inner, err
	case []any:
		i, err := strconv.Atoi(steps[0])
		if err != nil || i < 0 || i >= len(inner) {
			break
		}
		if removes {
			return append(inner[:i:i], inner[i+1:]...), nil
		}
		inner[i], err = o.at(inner[i], steps[1:])
		return inner, err
	}
	return nil, fmt.Errorf("path %s does not exist", o.Path)
}
