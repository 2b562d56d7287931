package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sort"
	"strconv"
	"strings"
)

// object is one stored state of one object; immutable. Its JSON is encoded once, without apiVersion and
// kind: text begins with `"metadata":`, so that a list item, a watch event, another version of the API and
// a PartialObjectMetadata are all made by writing another beginning.
type object struct {
	key     string // NAMESPACE/NAME, or NAME
	uid     string
	version uint64
	labels  map[string]string
	fields  []string // the values of kind.fields
	text    []byte
	metaEnd int // text[:metaEnd] is the metadata
}

func objectKey(namespace, name string) string {
	if namespace == "" {
		return name
	}
	return namespace + "/" + name
}

func (o *object) namespace() string {
	if at := strings.IndexByte(o.key, '/'); at >= 0 {
		return o.key[:at]
	}
	return ""
}

func (o *object) name() string { return o.key[strings.IndexByte(o.key, '/')+1:] }

const partialPrefix = `{"apiVersion":"meta.k8s.io/v1","kind":"PartialObjectMetadata",`

func (o *object) writeFull(w io.Writer, prefix string) {
	io.WriteString(w, prefix)
	w.Write(o.text)
}

func (o *object) writePartial(w io.Writer) {
	io.WriteString(w, partialPrefix)
	w.Write(o.text[:o.metaEnd])
	io.WriteString(w, "}")
}

// document is an object as decoded JSON; numbers stay as they were written.
type document map[string]any

func decodeDocument(text []byte) (document, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var doc document
	if err := decoder.Decode(&doc); err != nil {
		return nil, err
	}
	if doc == nil {
		return nil, errors.New("the body is null")
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, errors.New("more than one JSON value")
	}
	return doc, nil
}

// document decodes a stored object, with the type of one version.
func (o *object) document(k *kind, version string) document {
	var buffer bytes.Buffer
	o.writeFull(&buffer, k.typePrefix(version))
	doc, err := decodeDocument(buffer.Bytes())
	if err != nil {
		panic(fmt.Sprintf("stored %s %s is not JSON: %v", k.id(), o.key, err)) // encode() made it
	}
	return doc
}

func (d document) metadata() map[string]any {
	metadata, ok := d["metadata"].(map[string]any)
	if !ok {
		metadata = map[string]any{}
		d["metadata"] = metadata
	}
	return metadata
}

// text is the string at a dotted path, "" when there is none.
func (d document) text(path string) string {
	var at any = map[string]any(d)
	for _, part := range strings.Split(path, ".") {
		fields, ok := at.(map[string]any)
		if !ok {
			return ""
		}
		at = fields[part]
	}
	text, _ := at.(string)
	return text
}

func (d document) list(path string) []any {
	at := strings.LastIndexByte(path, '.')
	var fields any = map[string]any(d)
	for _, part := range strings.Split(path[:max(at, 0)], ".") {
		if inner, ok := fields.(map[string]any); ok && part != "" {
			fields = inner[part]
		}
	}
	inner, _ := fields.(map[string]any)
	list, _ := inner[path[at+1:]].([]any)
	return list
}

func (d document) labels() (map[string]string, error) {
	raw, ok := d.metadata()["labels"]
	if !ok || raw == nil {
		return nil, nil
	}
	fields, ok := raw.(map[string]any)
	if !ok {
		return nil, errors.New("metadata.labels is not a map")
	}
	labels := make(map[string]string, len(fields))
	for key, value := range fields {
		text, ok := value.(string)
		if !ok {
			return nil, fmt.Errorf("metadata.labels[%s] is not a string", key)
		}
		labels[key] = text
	}
	return labels, nil
}

// encode makes the stored state of a document at a version.
func encode(k *kind, doc document, version uint64) (*object, error) {
	metadata := doc.metadata()
	metadata["resourceVersion"] = strconv.FormatUint(version, 10)
	labels, err := doc.labels()
	if err != nil {
		return nil, err
	}
	o := &object{key: objectKey(doc.text("metadata.namespace"), doc.text("metadata.name")),
		uid: doc.text("metadata.uid"), version: version, labels: labels}
	for _, path := range k.fields {
		o.fields = append(o.fields, doc.text(path))
	}
	var buffer bytes.Buffer
	writeField(&buffer, "metadata", metadata)
	o.metaEnd = buffer.Len()
	var rest []string
	for name := range doc {
		if name != "metadata" && name != "apiVersion" && name != "kind" {
			rest = append(rest, name)
		}
	}
	sort.Strings(rest)
	for _, name := range rest {
		buffer.WriteByte(',')
		writeField(&buffer, name, doc[name])
	}
	buffer.WriteByte('}')
	o.text = buffer.Bytes()
	return o, nil
}

func writeField(buffer *bytes.Buffer, name string, value any) {
	text, _ := json.Marshal(name)
	buffer.Write(text)
	buffer.WriteByte(':')
	encoder := json.NewEncoder(buffer)
	encoder.SetEscapeHTML(false)
	encoder.Encode(value)             // decoded JSON always encodes
	buffer.Truncate(buffer.Len() - 1) // the encoder's newline
}

// at is the same object under another version: what a DELETED event shows.
func (o *object) at(k *kind, version uint64) *object {
	doc := o.document(k, k.versions[0])
	other, err := encode(k, doc, version)
	if err != nil {
		panic(fmt.Sprintf("stored %s %s does not encode: %v", k.id(), o.key, err))
	}
	return other
}
