// Package conformance keeps the Gateway API conformance suite, its echo server and the CRDs beside them in go.mod:
// what is built is the suite's test binary and the echo server's command.
package conformance

import (
	_ "sigs.k8s.io/gateway-api/apis/v1"
	_ "sigs.k8s.io/gateway-api/conformance"
)
