// helm is the published command.
package main

import (
	"errors"
	"fmt"
	"os"

	"helm.sh/helm/v4/pkg/cmd"
)

func main() {
	root, err := cmd.NewRootCmd(os.Stdout, os.Args[1:], cmd.SetupLogging)
	if err == nil {
		err = root.Execute()
	}
	if err == nil {
		return
	}
	status := 1
	if failure := (cmd.CommandError{}); errors.As(err, &failure) {
		status = failure.ExitCode
	}
	fmt.Fprintln(os.Stderr, "helm:", err)
	os.Exit(status)
}
