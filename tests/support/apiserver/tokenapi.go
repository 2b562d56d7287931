package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// The two requests that store nothing: TokenReview, and TokenRequest below a service account.

func tokenReviewKind() *kind {
	return &kind{group: "authentication.k8s.io", versions: []string{"v1"}, plural: "tokenreviews",
		singular: "tokenreview", name: "TokenReview"}
}

func isTokenPath(to target) bool {
	isReview := to.group == "authentication.k8s.io" && to.version == "v1" && to.plural == "tokenreviews" && to.name == ""
	return isReview || (to.group == "" && to.plural == "serviceaccounts" && to.subresource == "token")
}

func (s *server) serveTokens(w http.ResponseWriter, r *http.Request, to target) *apiError {
	if r.Method != http.MethodPost {
		return methodNotAllowed()
	}
	body, refusal := readBody(r)
	if refusal != nil {
		return refusal
	}
	doc, err := decodeDocument(body)
	if err != nil {
		return badRequest("the body is not JSON: %v", err)
	}
	var answer any
	if to.plural == "tokenreviews" {
		answer, refusal = s.review(doc)
	} else {
		answer, refusal = s.issue(doc, body, to)
	}
	if refusal != nil {
		return refusal
	}
	writeJSON(w, http.StatusCreated, answer)
	return nil
}

func texts(list []any) (result []string) {
	for _, entry := range list {
		if text, ok := entry.(string); ok {
			result = append(result, text)
		}
	}
	return result
}

func (s *server) review(doc document) (any, *apiError) {
	token := doc.text("spec.token")
	if token == "" {
		return nil, invalid(tokenReviewKind(), "", "spec.token", "FieldValueRequired", "Required value: token is required")
	}
	doc["status"] = s.tokens.reviewStatus(token, texts(doc.list("spec.audiences")))
	return doc, nil
}

func (t *tokens) reviewStatus(token string, asked []string) any {
	t.mu.Lock()
	set, isSet := t.reviews[token]
	who, isUser := t.users[token]
	t.mu.Unlock()
	if isSet {
		return set
	}
	if len(asked) == 0 {
		asked = []string{apiAudience}
	}
	if isUser {
		return map[string]any{"authenticated": true, "user": who, "audiences": []string{apiAudience}}
	}
	c, err := t.verify(token)
	if err != nil {
		return map[string]any{"authenticated": false, "error": fmt.Sprintf("invalid bearer token: %v", err)}
	}
	var shared []string
	for _, audience := range asked {
		if slices.Contains(c.Audiences, audience) {
			shared = append(shared, audience)
		}
	}
	if len(shared) == 0 {
		return map[string]any{"authenticated": false,
			"error": fmt.Sprintf("token audiences %q is invalid for the target audiences %q", c.Audiences, asked)}
	}
	return map[string]any{"authenticated": true, "user": c.user(), "audiences": shared}
}

// issue answers a TokenRequest: a token of a stored service account, bound to a stored pod if asked.
func (s *server) issue(doc document, body []byte, to target) (any, *apiError) {
	accounts, pods := s.kinds.builtin("serviceaccounts"), s.kinds.builtin("pods")
	account := s.store.get(accounts, objectKey(to.namespace, to.name))
	if account == nil {
		return nil, notFound(accounts, to.name)
	}
	var request struct {
		Spec struct {
			Audiences         []string
			ExpirationSeconds int64
			BoundObjectRef    *struct{ Kind, Name, UID string }
		}
	}
	if err := json.Unmarshal(body, &request); err != nil {
		return nil, badRequest("the TokenRequest is malformed: %v", err)
	}
	if request.Spec.ExpirationSeconds == 0 {
		request.Spec.ExpirationSeconds = 3600
	}
	if len(request.Spec.Audiences) == 0 {
		request.Spec.Audiences = []string{apiAudience}
	}
	c := newClaims(to.namespace, account, request.Spec.Audiences, request.Spec.ExpirationSeconds)
	if ref := request.Spec.BoundObjectRef; ref != nil && ref.Kind == "Pod" {
		pod := s.store.get(pods, objectKey(to.namespace, ref.Name))
		if pod == nil {
			return nil, notFound(pods, ref.Name)
		}
		if ref.UID != "" && ref.UID != pod.uid {
			return nil, conflict(pods, ref.Name, fmt.Sprintf("the UID in the bound object reference (%s) does not match "+
				"the UID in record (%s)", ref.UID, pod.uid))
		}
		s.bindToPod(&c, pod)
	}
	doc["status"] = map[string]any{"token": s.tokens.sign(c),
		"expirationTimestamp": time.Unix(c.Expiry, 0).UTC().Format(time.RFC3339)}
	return doc, nil
}

func newClaims(namespace string, account *object, audiences []string, seconds int64) (c claims) {
	issued := time.Now().Unix()
	c = claims{Audiences: audiences, IssuedAt: issued, NotBefore: issued, Expiry: issued + seconds,
		Issuer: apiAudience, ID: newUID(), Subject: "system:serviceaccount:" + namespace + ":" + account.name()}
	c.Kubernetes.Namespace = namespace
	c.Kubernetes.ServiceAccount = reference{account.name(), account.uid}
	return c
}

func (s *server) bindToPod(c *claims, pod *object) {
	c.Kubernetes.Pod = &bound{pod.name(), pod.uid}
	if name := pod.fields[0]; name != "" { // spec.nodeName
		c.Kubernetes.Node = &bound{Name: name}
		if node := s.store.get(s.kinds.builtin("nodes"), name); node != nil {
			c.Kubernetes.Node.UID = node.uid
		}
	}
}
