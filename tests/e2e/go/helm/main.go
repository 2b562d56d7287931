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
	if err != nil {
		fmt.Fprintln(os.Stderr, "helm:", err)
		os.Exit(1)
	}
	if err := root.Execute(); err != nil { // which has said so itself
		status := 1
		if failure := (cmd.CommandError{}); errors.As(err, &failure) {
			status = failure.ExitCode
		}
		os.Exit(status)
	}
}
