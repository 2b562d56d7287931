package main

import (
	"net/url"
	"strconv"
	"strings"
)

// target is what a path below /api and /apis means.
type target struct {
	group, version, plural       string
	namespace, name, subresource string
}

// parsePath reads /api/V/... and /apis/GROUP/V/...; ok is false for paths that name no resource.
func parsePath(path string) (to target, ok bool) {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	switch {
	case len(parts) >= 3 && parts[0] == "api":
		to.version, parts = parts[1], parts[2:]
	case len(parts) >= 4 && parts[0] == "apis":
		to.group, to.version, parts = parts[1], parts[2], parts[3:]
	default:
		return to, false
	}
	isSubresource := len(parts) == 3 && (parts[2] == "status" || parts[2] == "finalize")
	if parts[0] == "namespaces" && len(parts) >= 3 && !(to.group == "" && isSubresource) {
		to.namespace, parts = parts[1], parts[2:]
	}
	if len(parts) > 3 {
		return to, false
	}
	to.plural = parts[0]
	if len(parts) > 1 {
		to.name = parts[1]
	}
	if len(parts) > 2 {
		to.subresource = parts[2]
	}
	return to, true
}

// listOptions is the query of a list or watch.
type listOptions struct {
	selector      selector
	limit         int
	next          string // continue
	version       string // resourceVersion
	match         string // resourceVersionMatch
	isWatch       bool
	bookmarks     bool
	initialEvents *bool // sendInitialEvents
	seconds       int   // timeoutSeconds
}

func parseListOptions(k *kind, to target, query url.Values) (options listOptions, refusal *apiError) {
	options = listOptions{next: query.Get("continue"), version: query.Get("resourceVersion"),
		match: query.Get("resourceVersionMatch"), isWatch: isTrue(query.Get("watch")),
		bookmarks: isTrue(query.Get("allowWatchBookmarks"))}
	options.selector.namespace = to.namespace
	if options.selector.labels, refusal = parseLabels(query.Get("labelSelector")); refusal != nil {
		return options, refusal
	}
	if options.selector.fields, refusal = parseFields(k, query.Get("fieldSelector")); refusal != nil {
		return options, refusal
	}
	if to.name != "" { // a watch of one object by its path
		options.selector.fields = append(options.selector.fields, fieldRule{atName, to.name, false})
	}
	if query.Has("sendInitialEvents") {
		wanted := isTrue(query.Get("sendInitialEvents"))
		options.initialEvents = &wanted
	}
	for name, into := range map[string]*int{"limit": &options.limit, "timeoutSeconds": &options.seconds} {
		if text := query.Get(name); text != "" {
			number, err := strconv.Atoi(text)
			if err != nil || number < 0 {
				return options, badRequest("%s: %q is not a number of 0 or more", name, text)
			}
			*into = number
		}
	}
	return options, nil
}

func isTrue(text string) bool { return text == "true" || text == "1" || text == "True" }

// parseVersion reads a resourceVersion; "" is 0.
func parseVersion(text string) (uint64, *apiError) {
	if text == "" {
		return 0, nil
	}
	version, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, badRequest("resourceVersion: Invalid value: %q: must be a number", text)
	}
	return version, nil
}

// check refuses combinations that the API refuses.
func (o *listOptions) check(k *kind, hasStreamingLists bool) *apiError {
	refuse := func(field, why string) *apiError { return invalid(k, "", field, "FieldValueForbidden", why) }
	switch {
	case !o.isWatch && o.initialEvents != nil:
		return refuse("sendInitialEvents", "sendInitialEvents is forbidden for list")
	case o.isWatch && o.initialEvents != nil && !hasStreamingLists:
		return refuse("sendInitialEvents",
			"sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled")
	case o.isWatch && o.initialEvents != nil && o.match == "":
		return refuse("resourceVersionMatch", "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan")
	case o.isWatch && o.initialEvents == nil && o.match != "":
		return refuse("resourceVersionMatch",
			"resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided")
	case o.match != "" && o.match != "NotOlderThan" && (o.isWatch || o.match != "Exact"):
		return invalid(k, "", "resourceVersionMatch", "FieldValueNotSupported", "Unsupported value: \""+o.match+"\"")
	case !o.isWatch && o.match != "" && o.version == "":
		return refuse("resourceVersionMatch", "resourceVersionMatch is forbidden unless resourceVersion is provided")
	case o.match != "" && o.next != "":
		return refuse("resourceVersionMatch", "resourceVersionMatch is forbidden when continue is provided")
	case o.match == "Exact" && o.version == "0":
		return refuse("resourceVersionMatch", `resourceVersionMatch "exact" is forbidden for resourceVersion "0"`)
	case o.next != "" && o.version != "" && o.version != "0":
		return badRequest("specifying resource version is not allowed when using continue")
	}
	return nil
}
