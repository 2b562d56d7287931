package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
)

// apiError is a refusal in the API's own form, a Status object. It is written as an HTTP answer or,
// inside a watch, as the object of an ERROR event.
type apiError struct {
	code       int
	reason     string
	message    string
	details    map[string]any
	retryAfter int    // seconds; 0: no Retry-After
	next       string // a continue token that a client may go on with, after an expired one
}

func (e *apiError) Error() string { return e.message }

func (e *apiError) encode() []byte {
	metadata := map[string]any{}
	if e.next != "" {
		metadata["continue"] = e.next
	}
	status := map[string]any{
		"kind": "Status", "apiVersion": "v1", "metadata": metadata, "status": "Failure",
		"message": e.message, "reason": e.reason, "code": e.code,
	}
	if details := e.allDetails(); len(details) > 0 {
		status["details"] = details
	}
	text, _ := json.Marshal(status)
	return text
}

func (e *apiError) allDetails() map[string]any {
	details := map[string]any{}
	for key, value := range e.details {
		details[key] = value
	}
	if e.retryAfter > 0 {
		details["retryAfterSeconds"] = e.retryAfter
	}
	return details
}

func (e *apiError) write(w http.ResponseWriter) {
	if e.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(e.retryAfter))
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(e.code)
	w.Write(append(e.encode(), '\n'))
}

func badRequest(format string, arguments ...any) *apiError {
	return &apiError{code: 400, reason: "BadRequest", message: fmt.Sprintf(format, arguments...)}
}

func unauthorized() *apiError {
	return &apiError{code: 401, reason: "Unauthorized", message: "Unauthorized"}
}

func notFound(k *kind, name string) *apiError {
	return &apiError{code: 404, reason: "NotFound", message: fmt.Sprintf("%s %q not found", k.qualified(), name),
		details: k.details(name)}
}

func methodNotAllowed() *apiError {
	return &apiError{code: 405, reason: "MethodNotAllowed",
		message: "the server does not allow this method on the requested resource"}
}

func alreadyExists(k *kind, name string) *apiError {
	return &apiError{code: 409, reason: "AlreadyExists",
		message: fmt.Sprintf("%s %q already exists", k.qualified(), name), details: k.details(name)}
}

func conflict(k *kind, name, why string) *apiError {
	return &apiError{code: 409, reason: "Conflict",
		message: fmt.Sprintf("Operation cannot be fulfilled on %s %q: %s", k.qualified(), name, why),
		details: k.details(name)}
}

func expired(asked, floor uint64) *apiError {
	return &apiError{code: 410, reason: "Expired",
		message: fmt.Sprintf("too old resource version: %d (%d)", asked, floor)}
}

func expiredContinue(next string) *apiError {
	return &apiError{code: 410, reason: "Expired", next: next,
		message: "The provided continue parameter is too old to display a consistent list result. Start a new list " +
			"without the continue parameter, or use the continue token of this answer for an inconsistent rest."}
}

func unsupportedMediaType(got, accepted string) *apiError {
	return &apiError{code: 415, reason: "UnsupportedMediaType",
		message: fmt.Sprintf("the body of the request was in an unknown format (%s) - accepted media types include: %s",
			got, accepted)}
}

// invalid is the refusal of one field; how is the cause's reason, as FieldValueForbidden.
func invalid(k *kind, name, field, how, why string) *apiError {
	details := k.details(name)
	details["causes"] = []any{map[string]any{"reason": how, "message": why, "field": field}}
	return &apiError{code: 422, reason: "Invalid", details: details,
		message: fmt.Sprintf("%s %q is invalid: %s: %s", k.name, name, field, why)}
}

func tooLargeVersion(asked, current uint64) *apiError {
	return &apiError{code: 504, reason: "Timeout", retryAfter: 1,
		message: fmt.Sprintf("Timeout: Too large resource version: %d, current: %d", asked, current),
		details: map[string]any{"causes": []any{map[string]any{
			"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}}}}
}

// onDemand is the answer of a fault that asks for a status code.
func onDemand(code, retryAfter int) *apiError {
	reasons := map[int]string{400: "BadRequest", 401: "Unauthorized", 403: "Forbidden", 404: "NotFound",
		409: "Conflict", 410: "Expired", 429: "TooManyRequests", 500: "InternalError",
		503: "ServiceUnavailable", 504: "Timeout"}
	return &apiError{code: code, reason: reasons[code], retryAfter: retryAfter,
		message: fmt.Sprintf("%s, as a fault of the stand-in asked for", http.StatusText(code))}
}
