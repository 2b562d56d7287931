package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

const apiAudience = "https://kubernetes.default.svc"

// tokens knows who may speak: bearer tokens given by hand, and service account tokens that it signed.
// A TokenReview is answered from an answer set by hand, else from the same knowledge.
type tokens struct {
	mu      sync.Mutex
	users   map[string]user
	reviews map[string]json.RawMessage // token -> the status of its TokenReview
	key     *ecdsa.PrivateKey
}

type user struct {
	Name   string              `json:"username"`
	UID    string              `json:"uid,omitempty"`
	Groups []string            `json:"groups,omitempty"`
	Extra  map[string][]string `json:"extra,omitempty"`
}

func newTokens() *tokens {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err) // no source of randomness
	}
	return &tokens{users: map[string]user{}, reviews: map[string]json.RawMessage{}, key: key}
}

// parseTokenFile reads the real server's --token-auth-file: token,user,uid,"group1,group2".
func parseTokenFile(text []byte) (map[string]user, error) {
	reader := csv.NewReader(bytes.NewReader(text))
	reader.FieldsPerRecord = -1
	reader.Comment = '#'
	rows, err := reader.ReadAll()
	if err != nil {
		return nil, err
	}
	users := map[string]user{}
	for i, row := range rows {
		if len(row) < 3 || row[0] == "" {
			return nil, fmt.Errorf(`row %d: need token,user,uid and maybe "group1,group2"`, i+1)
		}
		who := user{Name: row[1], UID: row[2]}
		if len(row) > 3 && row[3] != "" {
			who.Groups = strings.Split(row[3], ",")
		}
		users[row[0]] = who
	}
	return users, nil
}

func (t *tokens) setUsers(users map[string]user) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.users = users
}

func (t *tokens) setReview(token string, status json.RawMessage) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.reviews[token] = status
}

func (t *tokens) clearReviews() {
	t.mu.Lock()
	defer t.mu.Unlock()
	clear(t.reviews)
}

func (t *tokens) allows(r *http.Request) bool {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return false
	}
	t.mu.Lock()
	_, isUser := t.users[token]
	t.mu.Unlock()
	if isUser {
		return true
	}
	claims, err := t.verify(token)
	return err == nil && slices.Contains(claims.Audiences, apiAudience)
}

// claims are those of a service account token, as the real server writes them.
type claims struct {
	Audiences  []string `json:"aud"`
	Expiry     int64    `json:"exp"`
	IssuedAt   int64    `json:"iat"`
	NotBefore  int64    `json:"nbf"`
	Issuer     string   `json:"iss"`
	ID         string   `json:"jti"`
	Subject    string   `json:"sub"`
	Kubernetes struct {
		Namespace      string    `json:"namespace"`
		ServiceAccount reference `json:"serviceaccount"`
		Pod            *bound    `json:"pod,omitempty"`
		Node           *bound    `json:"node,omitempty"`
	} `json:"kubernetes.io"`
}

type reference struct {
	Name string `json:"name"`
	UID  string `json:"uid"`
}

type bound = reference

func (t *tokens) sign(c claims) string {
	encode := base64.RawURLEncoding.EncodeToString
	body, _ := json.Marshal(c)
	signed := encode([]byte(`{"alg":"ES256","kid":"keelson-standin"}`)) + "." + encode(body)
	digest := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, t.key, digest[:])
	if err != nil {
		panic(err) // no source of randomness
	}
	var signature [64]byte
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return signed + "." + encode(signature[:])
}

func (t *tokens) verify(token string) (c claims, err error) {
	at := strings.LastIndexByte(token, '.')
	if at < 0 {
		return c, fmt.Errorf("not a token of this server")
	}
	signature, err := base64.RawURLEncoding.DecodeString(token[at+1:])
	if err != nil || len(signature) != 64 {
		return c, fmt.Errorf("the signature is malformed")
	}
	digest := sha256.Sum256([]byte(token[:at]))
	r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
	if !ecdsa.Verify(&t.key.PublicKey, digest[:], r, s) {
		return c, fmt.Errorf("the signature is wrong")
	}
	_, body, _ := strings.Cut(token[:at], ".")
	text, err := base64.RawURLEncoding.DecodeString(body)
	if err != nil {
		return c, err
	}
	if err := json.Unmarshal(text, &c); err != nil {
		return c, err
	}
	if now := time.Now().Unix(); now >= c.Expiry {
		return c, fmt.Errorf("the token expired %d s ago", now-c.Expiry)
	}
	return c, nil
}

func (c *claims) user() user {
	account := c.Kubernetes
	who := user{Name: c.Subject, UID: account.ServiceAccount.UID, Groups: []string{"system:serviceaccounts",
		"system:serviceaccounts:" + account.Namespace, "system:authenticated"},
		Extra: map[string][]string{"authentication.kubernetes.io/credential-id": {"JTI=" + c.ID}}}
	if account.Pod != nil {
		who.Extra["authentication.kubernetes.io/pod-name"] = []string{account.Pod.Name}
		who.Extra["authentication.kubernetes.io/pod-uid"] = []string{account.Pod.UID}
	}
	if account.Node != nil {
		who.Extra["authentication.kubernetes.io/node-name"] = []string{account.Node.Name}
		who.Extra["authentication.kubernetes.io/node-uid"] = []string{account.Node.UID}
	}
	return who
}
