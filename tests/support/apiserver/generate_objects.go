package main

import (
	"fmt"
	"strings"
)

// The objects of a plan, with the fields that readers of a cluster look at.

func (m *maker) namespace(i int) {
	name := fmt.Sprintf("ns-%d", i)
	labels := map[string]string{"kubernetes.io/metadata.name": name}
	text := fmt.Sprintf(`{"kubernetes.io/metadata.name":%q}`, name)
	if m.plan.Mesh {
		labels["keelson.dev/mesh"] = "enabled"
		text = fmt.Sprintf(`{"keelson.dev/mesh":"enabled","kubernetes.io/metadata.name":%q}`, name)
	}
	m.add(draft{id: "namespaces", name: name, uid: generatedUID(aNamespace, i), labels: labels, labelText: text,
		rest: `,"spec":{"finalizers":["kubernetes"]},"status":{"phase":"Active"}`})
}

func (m *maker) node(i int) {
	name := nodeName(i)
	m.add(draft{id: "nodes", name: name, uid: generatedUID(aNode, i),
		labels: map[string]string{"kubernetes.io/hostname": name}, labelText: fmt.Sprintf(`{"kubernetes.io/hostname":%q}`, name),
		rest: fmt.Sprintf(`,"spec":{},"status":{"addresses":[{"address":%q,"type":"InternalIP"},{"address":%q,"type":"Hostname"}],`+
			`"conditions":[{"reason":"KubeletReady","status":"True","type":"Ready"}]}`, nodeAddress(i), name)})
}

func (m *maker) account(i int) {
	m.add(draft{id: "serviceaccounts", namespace: m.plan.namespaceOf(i), name: serviceName(i), uid: generatedUID(anAccount, i)})
}

func (m *maker) service(i int) {
	name, address := serviceName(i), clusterAddress(i)
	m.add(draft{id: "services", namespace: m.plan.namespaceOf(i), name: name, uid: generatedUID(aService, i),
		labels: m.bySvc[i], labelText: fmt.Sprintf(`{"app":%q}`, name),
		rest: fmt.Sprintf(`,"spec":{"clusterIP":%q,"clusterIPs":[%q],"internalTrafficPolicy":"Cluster","ipFamilies":["IPv4"],`+
			`"ipFamilyPolicy":"SingleStack","ports":[{"name":"http","port":80,"protocol":"TCP","targetPort":8080}],`+
			`"selector":{"app":%q},"sessionAffinity":"None","type":"ClusterIP"},"status":{"loadBalancer":{}}`, address, address, name)})
}

// slices makes the EndpointSlices of a service; one without pods has an empty slice, as from the real controller.
func (m *maker) slices(service int) {
	var endpoints []string
	slice := 0
	flush := func() {
		m.slice(service, slice, endpoints)
		slice, endpoints = slice+1, endpoints[:0]
	}
	for pod := service; pod < m.plan.Pods; pod += m.plan.Services {
		endpoints = append(endpoints, fmt.Sprintf(`{"addresses":[%q],"conditions":{"ready":true,"serving":true,"terminating":false},`+
			`"nodeName":%q,"targetRef":{"kind":"Pod","name":%q,"namespace":%q,"uid":%q}}`, podAddress(pod),
			nodeName(m.plan.nodeOf(pod)), m.plan.podName(pod), m.plan.namespaceOf(service), generatedUID(aPod, pod)))
		if len(endpoints) == perSliceMax {
			flush()
		}
	}
	if len(endpoints) > 0 || slice == 0 {
		flush()
	}
}

func (m *maker) slice(service, index int, endpoints []string) {
	name := serviceName(service)
	const managedBy = "endpointslice-controller.k8s.io"
	m.add(draft{id: "endpointslices.discovery.k8s.io", namespace: m.plan.namespaceOf(service),
		name: fmt.Sprintf("%s-s%d", name, index), uid: generatedUID(aSlice, service<<8+index),
		labels:    map[string]string{"kubernetes.io/service-name": name, "endpointslice.kubernetes.io/managed-by": managedBy},
		labelText: fmt.Sprintf(`{"endpointslice.kubernetes.io/managed-by":%q,"kubernetes.io/service-name":%q}`, managedBy, name),
		extra: fmt.Sprintf(`,"ownerReferences":[{"apiVersion":"v1","blockOwnerDeletion":true,"controller":true,"kind":"Service","name":%q,"uid":%q}]`,
			name, generatedUID(aService, service)),
		rest: fmt.Sprintf(`,"addressType":"IPv4","endpoints":[%s],"ports":[{"name":"http","port":8080,"protocol":"TCP"}]`,
			strings.Join(endpoints, ","))})
}

func (m *maker) pod(i int) {
	service := m.plan.serviceOf(i)
	account, node, address := serviceName(service), nodeName(m.plan.nodeOf(i)), podAddress(i)
	m.add(draft{id: "pods", namespace: m.plan.namespaceOf(service), name: m.plan.podName(i), uid: generatedUID(aPod, i),
		labels: m.bySvc[service], labelText: fmt.Sprintf(`{"app":%q}`, account), fields: []string{node, account, "Running", address},
		rest: fmt.Sprintf(`,"spec":{"containers":[{"image":"registry.example/app:1","name":"app","ports":[{"containerPort":8080,"name":"http","protocol":"TCP"}],`+
			`"readinessProbe":{"httpGet":{"path":"/healthz","port":8080,"scheme":"HTTP"},"periodSeconds":10},"resources":{}}],`+
			`"dnsPolicy":"ClusterFirst","nodeName":%q,"restartPolicy":"Always","serviceAccount":%q,"serviceAccountName":%q},`+
			`"status":{"conditions":[{"status":"True","type":"Ready"}],"hostIP":%q,"phase":"Running","podIP":%q,"podIPs":[{"ip":%q}],"qosClass":"BestEffort"}`,
			node, account, account, nodeAddress(m.plan.nodeOf(i)), address, address)})
}

func (m *maker) nodeState(i int) {
	var pods []string
	for _, pod := range m.byNode[i] {
		service := m.plan.serviceOf(pod)
		pods = append(pods, fmt.Sprintf(`{"addresses":[%q],"name":%q,"namespace":%q,"serviceAccount":%q,"state":"ready","uid":%q}`,
			podAddress(pod), m.plan.podName(pod), m.plan.namespaceOf(service), serviceName(service), generatedUID(aPod, pod)))
	}
	m.add(draft{id: "nodestates.keelson.dev", name: nodeName(i), uid: generatedUID(aNodeState, i),
		extra: `,"generation":1`, rest: `,"pods":[` + strings.Join(pods, ",") + `]`})
}
