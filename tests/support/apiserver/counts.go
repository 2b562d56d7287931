package main

import (
	"cmp"
	"net"
	"slices"
	"sync"
)

// counts is what tests assert: requests, connections and watches, since the start or the last reset.
type counts struct {
	mu          sync.Mutex
	requests    map[requestKey]int
	answers     map[answerKey]int
	connections map[int]*connection
	accepted    int
	lastWatch   int
	watches     map[int]*openWatch
	mostWatches int
}

type requestKey struct{ verb, kind, protocol, userAgent string }

type answerKey struct {
	verb, kind string
	status     int
}

type openWatch struct {
	ID         int    `json:"id"`
	Kind       string `json:"kind"`
	Namespace  string `json:"namespace,omitempty"`
	Labels     string `json:"label_selector,omitempty"`
	Fields     string `json:"field_selector,omitempty"`
	Version    string `json:"resource_version,omitempty"`
	IsStream   bool   `json:"streaming_list"`
	Connection int    `json:"connection"`
	Protocol   string `json:"protocol"`
	UserAgent  string `json:"user_agent"`
	Events     int    `json:"events"`
}

type requestRow struct {
	Verb      string `json:"verb"`
	Kind      string `json:"kind"`
	Protocol  string `json:"protocol"`
	UserAgent string `json:"user_agent"`
	Count     int    `json:"count"`
}

type answerRow struct {
	Verb   string `json:"verb"`
	Kind   string `json:"kind"`
	Status int    `json:"status"`
	Count  int    `json:"count"`
}

type connectionRow struct {
	ID        int    `json:"id"`
	Protocol  string `json:"protocol"`
	UserAgent string `json:"user_agent"`
	Requests  int    `json:"requests"`
}

type countsReport struct {
	Requests    []requestRow    `json:"requests"`
	Answers     []answerRow     `json:"answers"`
	Connections []connectionRow `json:"connections"` // open now
	Accepted    int             `json:"connections_accepted"`
	Watches     []openWatch     `json:"watches"` // open now
	MostWatches int             `json:"watches_most"`
}

func newCounts() *counts {
	return &counts{requests: map[requestKey]int{}, answers: map[answerKey]int{},
		connections: map[int]*connection{}, watches: map[int]*openWatch{}}
}

func (c *counts) request(verb, kind, protocol, userAgent string, on *connection) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests[requestKey{verb, kind, protocol, userAgent}]++
	on.protocol, on.userAgent = protocol, userAgent
	on.requests++
}

func (c *counts) answer(verb, kind string, status int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answers[answerKey{verb, kind, status}]++
}

func (c *counts) connect(conn *connection) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.accepted++
	conn.id = c.accepted
	c.connections[conn.id] = conn
}

func (c *counts) disconnect(closed net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, conn := range c.connections {
		if conn.net == closed {
			delete(c.connections, id)
		}
	}
}

func (c *counts) open() []*connection {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []*connection
	for _, conn := range c.connections {
		list = append(list, conn)
	}
	return list
}

func (c *counts) beginWatch(watch openWatch) *openWatch {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lastWatch++
	watch.ID = c.lastWatch
	c.watches[watch.ID] = &watch
	c.mostWatches = max(c.mostWatches, len(c.watches))
	return &watch
}

func (c *counts) sentEvents(watch *openWatch, count int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	watch.Events += count
}

func (c *counts) endWatch(watch *openWatch) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.watches, watch.ID)
}

// reset forgets what was counted; connections and watches that are open stay.
func (c *counts) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.requests)
	clear(c.answers)
	c.mostWatches = len(c.watches)
}

func (c *counts) report() countsReport {
	c.mu.Lock()
	defer c.mu.Unlock()
	report := countsReport{Requests: []requestRow{}, Answers: []answerRow{}, Connections: []connectionRow{},
		Watches: []openWatch{}, Accepted: c.accepted, MostWatches: c.mostWatches}
	for key, count := range c.requests {
		report.Requests = append(report.Requests, requestRow{key.verb, key.kind, key.protocol, key.userAgent, count})
	}
	for key, count := range c.answers {
		report.Answers = append(report.Answers, answerRow{key.verb, key.kind, key.status, count})
	}
	for _, conn := range c.connections {
		report.Connections = append(report.Connections,
			connectionRow{conn.id, conn.protocol, conn.userAgent, conn.requests})
	}
	for _, watch := range c.watches {
		report.Watches = append(report.Watches, *watch)
	}
	report.sort()
	return report
}

func (r *countsReport) sort() {
	slices.SortFunc(r.Requests, func(a, b requestRow) int {
		return cmp.Or(cmp.Compare(a.Verb, b.Verb), cmp.Compare(a.Kind, b.Kind),
			cmp.Compare(a.UserAgent, b.UserAgent), cmp.Compare(a.Protocol, b.Protocol))
	})
	slices.SortFunc(r.Answers, func(a, b answerRow) int {
		return cmp.Or(cmp.Compare(a.Verb, b.Verb), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Status, b.Status))
	})
	slices.SortFunc(r.Connections, func(a, b connectionRow) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(r.Watches, func(a, b openWatch) int { return cmp.Compare(a.ID, b.ID) })
}
