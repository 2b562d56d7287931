package main

import (
	"io"
	"net/http"
	"strings"
)

// view is how a client wants objects to look: whole, or only their metadata.
type view struct {
	kind      *kind
	version   string
	isPartial bool
	prefix    string // of a whole object
	item      string // of a whole object inside a list
}

// negotiate reads Accept: the first form that is served wins. Tables are not; clients that ask for them
// offer plain JSON as well.
func negotiate(k *kind, version string, r *http.Request) (view, *apiError) {
	v := view{kind: k, version: version, prefix: k.typePrefix(version), item: "{"}
	if k.custom {
		v.item = v.prefix // lists of built-in kinds leave the type of their items out, as the real server does
	}
	accept := r.Header.Get("Accept")
	for _, offer := range strings.Split(accept, ",") {
		media, as := parseOffer(offer)
		switch {
		case media != "" && media != "application/json" && media != "application/*" && media != "*/*":
		case as == "":
			return v, nil
		case as == "PartialObjectMetadata" || as == "PartialObjectMetadataList":
			v.isPartial = true
			return v, nil
		}
	}
	return v, &apiError{code: 406, reason: "NotAcceptable",
		message: "only the following media types are accepted: application/json (asked for: " + accept + ")"}
}

func parseOffer(offer string) (media, as string) {
	parts := strings.Split(offer, ";")
	for _, parameter := range parts[1:] {
		if value, ok := strings.CutPrefix(strings.TrimSpace(parameter), "as="); ok {
			as = value
		}
	}
	return strings.TrimSpace(parts[0]), as
}

func (v *view) write(w io.Writer, o *object) {
	if v.isPartial {
		o.writePartial(w)
		return
	}
	o.writeFull(w, v.prefix)
}

func (v *view) writeItem(w io.Writer, o *object) {
	if v.isPartial {
		o.writePartial(w)
		return
	}
	o.writeFull(w, v.item)
}

func (v *view) listType() (name, apiVersion string) {
	if v.isPartial {
		return "PartialObjectMetadataList", "meta.k8s.io/v1"
	}
	return v.kind.name + "List", v.kind.apiVersion(v.version)
}

func (v *view) bookmarkPrefix() string {
	if v.isPartial {
		return partialPrefix
	}
	return v.prefix
}
