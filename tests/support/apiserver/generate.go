package main

import (
	"errors"
	"fmt"
)

// plan is a cluster to be made up: every object is a function of its index, so that the same plan gives
// the same names, addresses and uids, and a larger one adds to a smaller one of the same proportions.
type plan struct {
	Nodes      int  `json:"nodes"`
	Namespaces int  `json:"namespaces"`
	Services   int  `json:"services"`
	Pods       int  `json:"pods"`
	Mesh       bool `json:"mesh"` // label the namespaces and write NodeStates
}

func defaultPlan() plan { return plan{Nodes: 2, Namespaces: 2, Services: 4, Pods: 8, Mesh: true} }

const (
	nodesMax     = 16384
	servicesMax  = 1 << 18
	podsMax      = 1 << 20
	perSliceMax  = 100  // as the real controller
	perNodeState = 1024 // the definition's maxItems
)

func (p *plan) check() error {
	switch {
	case p.Nodes < 1 || p.Namespaces < 1 || p.Services < 1 || p.Pods < 0:
		return errors.New("generate: nodes, namespaces and services must be 1 or more, pods 0 or more")
	case p.Nodes > nodesMax || p.Services > servicesMax || p.Pods > podsMax:
		return fmt.Errorf("generate: at most %d nodes, %d services, %d pods: there are no more addresses",
			nodesMax, servicesMax, podsMax)
	case p.Mesh && p.Pods/p.Nodes >= perNodeState:
		return fmt.Errorf("generate: more than %d pods a node do not fit into a NodeState", perNodeState)
	}
	return nil
}

// Indexes: pod i is the (i / services)th of service i % services, whose pods are on different nodes.
func (p *plan) serviceOf(pod int) int          { return pod % p.Services }
func (p *plan) nodeOf(pod int) int             { return (pod + pod/p.Services) % p.Nodes }
func (p *plan) namespaceOf(service int) string { return fmt.Sprintf("ns-%d", service%p.Namespaces) }

func serviceName(service int) string { return fmt.Sprintf("svc-%d", service) }
func (p *plan) podName(pod int) string {
	return fmt.Sprintf("svc-%d-%d", p.serviceOf(pod), pod/p.Services)
}
func nodeName(node int) string { return fmt.Sprintf("node-%d", node) }
func nodeAddress(node int) string {
	return fmt.Sprintf("172.%d.%d.%d", 16+node>>14, node>>7&127, node&127+1)
}
func clusterAddress(service int) string {
	return fmt.Sprintf("10.%d.%d.%d", 32+service>>16, service>>8&255, service&255)
}
func podAddress(pod int) string { return fmt.Sprintf("10.%d.%d.%d", 64+pod>>16, pod>>8&255, pod&255) }
func generatedUID(what, index int) string {
	return fmt.Sprintf("%08x-0000-4000-8000-%012x", what, index)
}

const (
	aNamespace = iota + 1
	aNode
	aService
	aSlice
	aPod
	anAccount
	aNodeState
)

// maker puts the objects of one plan. The caller holds the store by way of bulk.
type maker struct {
	plan   *plan
	kinds  map[string]*kind
	put    func(k *kind, key string, make func(version uint64) *object)
	count  int
	byNode [][]int             // the pods of each node
	bySvc  []map[string]string // shared labels
}

func (p *plan) into(s *server) (int, error) {
	m := &maker{plan: p, kinds: map[string]*kind{}, byNode: make([][]int, p.Nodes), bySvc: make([]map[string]string, p.Services)}
	for _, id := range []string{"namespaces", "nodes", "services", "endpointslices.discovery.k8s.io", "pods",
		"serviceaccounts", "nodestates.keelson.dev"} {
		k, err := s.kinds.byID(id)
		if err != nil && (p.Mesh || id != "nodestates.keelson.dev") {
			return 0, fmt.Errorf("generate: %w", err)
		}
		m.kinds[id] = k
	}
	s.store.bulk(func(put func(*kind, string, func(uint64) *object)) {
		m.put = put
		m.all()
	})
	return m.count, nil
}

func (m *maker) all() {
	for i := range m.plan.Namespaces {
		m.namespace(i)
	}
	for i := range m.plan.Nodes {
		m.node(i)
	}
	for i := range m.plan.Services {
		m.bySvc[i] = map[string]string{"app": serviceName(i)}
		m.account(i)
		m.service(i)
		m.slices(i)
	}
	for i := range m.plan.Pods {
		node := m.plan.nodeOf(i)
		m.byNode[node] = append(m.byNode[node], i)
		m.pod(i)
	}
	for i := range m.plan.Nodes {
		if m.plan.Mesh {
			m.nodeState(i)
		}
	}
}

// draft is an object but for its version.
type draft struct {
	id              string
	namespace, name string
	uid             string
	labels          map[string]string
	labelText       string // the same as JSON
	extra           string // further metadata, with a leading comma
	fields          []string
	rest            string // what follows the metadata, with a leading comma, without the last brace
}

func (m *maker) add(d draft) {
	m.count++
	key := objectKey(d.namespace, d.name)
	m.put(m.kinds[d.id], key, func(version uint64) *object {
		namespace := ""
		if d.namespace != "" {
			namespace = fmt.Sprintf(`"namespace":%q,`, d.namespace)
		}
		labels := ""
		if d.labelText != "" {
			labels = `"labels":` + d.labelText + ","
		}
		metadata := fmt.Sprintf(`"metadata":{"creationTimestamp":"2026-01-01T00:00:00Z",%s"name":%q,%s"resourceVersion":"%d","uid":%q%s}`,
			labels, d.name, namespace, version, d.uid, d.extra)
		return &object{key: key, uid: d.uid, version: version, labels: d.labels, fields: d.fields,
			text: []byte(metadata + d.rest + "}"), metaEnd: len(metadata)}
	})
}
