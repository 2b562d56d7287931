package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"log"
	"net"
	"net/http"
	"sync"
	"time"
)

// connection is one accepted TCP connection, however many requests it carries. Guarded by counts.mu.
type connection struct {
	net       net.Conn
	id        int
	protocol  string
	userAgent string
	requests  int
}

type connectionKey struct{}

func connectionOf(r *http.Request) *connection {
	if conn, ok := r.Context().Value(connectionKey{}).(*connection); ok {
		return conn
	}
	return &connection{} // a handler that a unit test calls without a listener
}

// kill ends the connection as the death of the server would: without a TLS alert.
func (c *connection) kill() {
	if secure, ok := c.net.(*tls.Conn); ok {
		secure.NetConn().Close()
	}
}

// gate owns the API's listening socket. It can close it for a time: connections are then refused by the
// kernel, and those that are open end.
type gate struct {
	http   *http.Server
	counts *counts

	mu       sync.Mutex
	address  string
	listener net.Listener
	reopen   *time.Timer
	isClosed bool // for good
}

func newGate(s *server, certificate tls.Certificate) *gate {
	g := &gate{counts: s.counts}
	g.http = &http.Server{
		Handler:   s,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12},
		HTTP2:     &http.HTTP2Config{MaxConcurrentStreams: 100}, // as the real server
		ErrorLog:  log.New(discard{}, "", 0),                    // clients that go away are what tests do
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			conn := &connection{net: c}
			s.counts.connect(conn)
			return context.WithValue(ctx, connectionKey{}, conn)
		},
		ConnState: func(c net.Conn, state http.ConnState) {
			if state == http.StateClosed {
				s.counts.disconnect(c)
			}
		},
	}
	return g
}

type discard struct{}

func (discard) Write(text []byte) (int, error) { return len(text), nil }

// open listens and serves; address is the one of the last time when it is empty.
func (g *gate) open(address string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.isClosed || g.listener != nil {
		return nil
	}
	if address == "" {
		address = g.address
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", address, err)
	}
	g.listener, g.address = listener, listener.Addr().String()
	go g.http.ServeTLS(listener, "", "")
	return nil
}

// refuse closes the listener and every connection, and opens it again after a while; 0 opens it now.
func (g *gate) refuse(duration time.Duration) error {
	g.mu.Lock()
	if g.reopen != nil {
		g.reopen.Stop()
		g.reopen = nil
	}
	if duration <= 0 {
		g.mu.Unlock()
		return g.openSoon()
	}
	g.closeListener()
	g.reopen = time.AfterFunc(duration, func() {
		if err := g.openSoon(); err != nil {
			log.Fatal(err)
		}
	})
	g.mu.Unlock()
	g.disconnect()
	return nil
}

// openSoon tries for a while: somebody's outgoing connection may have got the port meanwhile.
func (g *gate) openSoon() error {
	var err error
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if err = g.open(""); err == nil {
			return nil
		}
	}
	return err
}

func (g *gate) closeListener() {
	if g.listener != nil {
		g.listener.Close()
		g.listener = nil
	}
}

func (g *gate) disconnect() int {
	open := g.counts.open()
	for _, conn := range open {
		conn.kill()
	}
	return len(open)
}

func (g *gate) close() {
	g.mu.Lock()
	g.isClosed = true
	g.closeListener()
	g.mu.Unlock()
	g.disconnect()
}
