// Package echo keeps the server and client that the mesh conformance tests run in their pods in go.mod: what is built
// is their two commands.
package echo

import (
	_ "istio.io/istio/pkg/test/echo/server"
	_ "istio.io/istio/pkg/test/echo/server/forwarder"
)
