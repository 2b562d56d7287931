package main

import (
	"slices"
	"strings"
)

// selector decides which objects a list or watch sees: namespace, labels and fields together.
type selector struct {
	namespace string
	labels    []labelRule
	fields    []fieldRule
}

type labelRule struct {
	key    string
	how    operator
	values []string
}

type operator int

const (
	isIn operator = iota
	isNotIn
	exists
	isAbsent
)

type fieldRule struct {
	at        int // index into object.fields; atName and atNamespace for the metadata
	value     string
	isNegated bool
}

const (
	atName      = -1
	atNamespace = -2
)

func (s *selector) isEverything() bool { return len(s.labels) == 0 && len(s.fields) == 0 }

func (s *selector) matches(o *object) bool {
	if s.namespace != "" && o.namespace() != s.namespace {
		return false
	}
	for _, rule := range s.labels {
		if !rule.matches(o.labels) {
			return false
		}
	}
	for _, rule := range s.fields {
		if !rule.matches(o) {
			return false
		}
	}
	return true
}

func (r labelRule) matches(labels map[string]string) bool {
	value, has := labels[r.key]
	switch r.how {
	case isIn:
		return has && slices.Contains(r.values, value)
	case isNotIn:
		return !has || !slices.Contains(r.values, value)
	case exists:
		return has
	default:
		return !has
	}
}

func (r fieldRule) matches(o *object) bool {
	var value string
	switch r.at {
	case atName:
		value = o.name()
	case atNamespace:
		value = o.namespace()
	default:
		value = o.fields[r.at]
	}
	return (value == r.value) != r.isNegated
}

// parseLabels reads a labelSelector: a=b, a==b, a!=b, a in (b,c), a notin (b,c), a, !a, joined by commas.
func parseLabels(text string) ([]labelRule, *apiError) {
	var rules []labelRule
	for _, part := range splitOutside(text) {
		rule, ok := parseLabel(strings.TrimSpace(part))
		if !ok {
			return nil, badRequest("unable to parse requirement: %q of the label selector %q", part, text)
		}
		rules = append(rules, rule)
	}
	return rules, nil
}

// splitOutside splits at commas that are in no parentheses.
func splitOutside(text string) []string {
	if strings.TrimSpace(text) == "" {
		return nil
	}
	var parts []string
	depth, begin := 0, 0
	for i, c := range text {
		switch {
		case c == '(':
			depth++
		case c == ')':
			depth--
		case c == ',' && depth == 0:
			parts = append(parts, text[begin:i])
			begin = i + 1
		}
	}
	return append(parts, text[begin:])
}

func parseLabel(text string) (labelRule, bool) {
	if rest, ok := strings.CutPrefix(text, "!"); ok && !strings.Contains(rest, "=") {
		key := strings.TrimSpace(rest)
		return labelRule{key: key, how: isAbsent}, isLabelKey(key)
	}
	for _, form := range []struct {
		sign string
		how  operator
	}{{"!=", isNotIn}, {"==", isIn}, {"=", isIn}} {
		if key, value, ok := strings.Cut(text, form.sign); ok {
			key = strings.TrimSpace(key)
			return labelRule{key, form.how, []string{strings.TrimSpace(value)}}, isLabelKey(key)
		}
	}
	if open := strings.IndexByte(text, '('); open >= 0 {
		return parseSet(text[:open], text[open+1:])
	}
	return labelRule{key: text, how: exists}, isLabelKey(text)
}

func parseSet(head, tail string) (labelRule, bool) {
	words := strings.Fields(head)
	list, closed := strings.CutSuffix(strings.TrimSpace(tail), ")")
	if len(words) != 2 || !closed || (words[1] != "in" && words[1] != "notin") {
		return labelRule{}, false
	}
	rule := labelRule{key: words[0], how: isIn}
	if words[1] == "notin" {
		rule.how = isNotIn
	}
	for _, value := range strings.Split(list, ",") {
		rule.values = append(rule.values, strings.TrimSpace(value))
	}
	return rule, isLabelKey(rule.key)
}

func isLabelKey(key string) bool {
	return key != "" && !strings.ContainsAny(key, " \t()=!,")
}

// parseFields reads a fieldSelector: a=b, a==b, a!=b, joined by commas.
func parseFields(k *kind, text string) ([]fieldRule, *apiError) {
	var rules []fieldRule
	if text == "" {
		return nil, nil
	}
	for _, part := range strings.Split(text, ",") {
		path, value, isNegated := cutField(part)
		if path == "" {
			return nil, badRequest("invalid field selector: %q; can't understand %q", text, part)
		}
		at := slices.Index(k.fields, path)
		switch {
		case path == "metadata.name":
			at = atName
		case path == "metadata.namespace" && k.namespaced:
			at = atNamespace
		case at < 0:
			return nil, badRequest("field label not supported: %s", path)
		}
		rules = append(rules, fieldRule{at, value, isNegated})
	}
	return rules, nil
}

func cutField(part string) (path, value string, isNegated bool) {
	for _, sign := range []string{"!=", "==", "="} {
		if path, value, ok := strings.Cut(part, sign); ok {
			return path, value, sign == "!="
		}
	}
	return "", "", false
}
