// kube-standin plays a Kubernetes API server for tests: README.md says what it does and what it does not.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const usage = `usage: kube-standin serve --dir FOLDER [options]      serves until it is told to end
       kube-standin generate [options]                writes the objects of a plan, one JSON line each
kube-standin serve -h and kube-standin generate -h list the options.`

func main() {
	if len(os.Args) < 2 {
		fail(2, usage)
	}
	var err error
	switch os.Args[1] {
	case "serve":
		err = serve(os.Args[2:])
	case "generate":
		err = generate(os.Args[2:])
	case "-h", "--help", "help":
		fmt.Println(usage)
	default:
		fail(2, usage)
	}
	if err != nil {
		fail(1, "kube-standin: "+err.Error())
	}
}

func fail(status int, text string) {
	fmt.Fprintln(os.Stderr, text)
	os.Exit(status)
}

// options of serve.
type options struct {
	folder, listen, control, tokenFile, names, load string
	history                                         int
	bookmarks                                       time.Duration
	stdinIsLeash                                    bool
}

func parseServe(arguments []string) (o options) {
	flags := flag.NewFlagSet("serve", flag.ExitOnError)
	flags.StringVar(&o.folder, "dir", "", "folder for ca.crt, token, kubeconfig, serviceaccount/")
	flags.StringVar(&o.listen, "listen", "127.0.0.1:0", "address of the API (HTTPS); port 0: a free one")
	flags.StringVar(&o.control, "control", "127.0.0.1:0", "loopback address of the control API (HTTP)")
	flags.StringVar(&o.tokenFile, "tokens", "", "CSV file of bearer tokens: token,user,uid,\"groups\"")
	flags.StringVar(&o.names, "names", "", "further names and addresses for the certificate, joined by commas")
	flags.StringVar(&o.load, "load", "", "file of JSON lines: objects that are there before anybody can ask")
	flags.IntVar(&o.history, "history", 10000, "changes kept per kind; older versions give 410")
	flags.DurationVar(&o.bookmarks, "bookmarks", time.Minute, "interval between the bookmarks of a watch")
	flags.BoolVar(&o.stdinIsLeash, "end-with-stdin", false, "end when standard input is closed")
	flags.Parse(arguments)
	if o.folder == "" || flags.NArg() > 0 {
		fail(2, "kube-standin serve: --dir FOLDER is missing, or there is an argument too many")
	}
	return o
}

// running is a stand-in that serves.
type running struct {
	gate    *gate
	server  *server
	control *http.Server
	ready   map[string]string // what tests need to find it
}

func start(o options) (*running, error) {
	if host, _, err := net.SplitHostPort(o.control); err != nil || !net.ParseIP(host).IsLoopback() {
		return nil, fmt.Errorf("--control %s: not a loopback address and port: anybody could steer the stand-in", o.control)
	}
	folder, err := filepath.Abs(o.folder) // a kubeconfig's own relative paths start at its folder
	if err != nil {
		return nil, err
	}
	var names []string
	if o.names != "" {
		names = strings.Split(o.names, ",")
	}
	made, err := keptCredentials(folder)
	if err != nil {
		made, err = newCredentials(folder, names)
	}
	if err != nil {
		return nil, err
	}
	s := newServer(o.history)
	s.bookmarkEvery.Store(int64(o.bookmarks))
	users := map[string]user{}
	if o.tokenFile != "" {
		text, err := os.ReadFile(o.tokenFile)
		if err != nil {
			return nil, err
		}
		if users, err = parseTokenFile(text); err != nil {
			return nil, fmt.Errorf("%s: %w", o.tokenFile, err)
		}
	}
	users[made.token] = user{Name: "admin", Groups: []string{"system:masters", "system:authenticated"}}
	s.tokens.setUsers(users)
	if err := loadFile(s, o.load); err != nil {
		return nil, err
	}
	g := newGate(s, made.certificate)
	if err := g.open(o.listen); err != nil {
		return nil, err
	}
	url := "https://" + g.address
	if err := made.write(url); err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", o.control)
	if err != nil {
		return nil, err
	}
	steering := &http.Server{Handler: (&control{s, g}).handler()}
	go steering.Serve(listener)
	return &running{g, s, steering, map[string]string{"api": url, "control": "http://" + listener.Addr().String(),
		"dir": folder, "token": made.token}}, nil
}

func loadFile(s *server, path string) error {
	if path == "" {
		return nil
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := s.loadLines(file); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func (r *running) stop() {
	r.server.stop()
	r.gate.close()
	r.control.Close()
}

func serve(arguments []string) error {
	o := parseServe(arguments)
	run, err := start(o)
	if err != nil {
		return err
	}
	text, _ := json.Marshal(run.ready)
	fmt.Printf("ready %s\n", text)
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGINT, syscall.SIGTERM)
	if o.stdinIsLeash {
		go func() {
			io.Copy(io.Discard, os.Stdin)
			ended <- syscall.SIGTERM
		}()
	}
	<-ended
	run.stop()
	return nil
}

func generate(arguments []string) error {
	p := defaultPlan()
	flags := flag.NewFlagSet("generate", flag.ExitOnError)
	flags.IntVar(&p.Nodes, "nodes", p.Nodes, "nodes")
	flags.IntVar(&p.Namespaces, "namespaces", p.Namespaces, "namespaces")
	flags.IntVar(&p.Services, "services", p.Services, "services; each has a service account and EndpointSlices")
	flags.IntVar(&p.Pods, "pods", p.Pods, "pods")
	flags.BoolVar(&p.Mesh, "mesh", p.Mesh, "label the namespaces, write NodeStates")
	flags.Parse(arguments)
	if err := p.check(); err != nil {
		return err
	}
	s := newServer(0)
	if _, err := p.into(s); err != nil {
		return err
	}
	out := bufio.NewWriterSize(os.Stdout, 1<<16)
	for _, k := range s.kinds.served() {
		if k.plural == "customresourcedefinitions" {
			continue // a stand-in has those from the start
		}
		objects, _ := s.store.snapshot(k)
		for _, o := range objects {
			o.writeFull(out, k.typePrefix(k.versions[0]))
			out.WriteByte('\n')
		}
	}
	return out.Flush()
}
