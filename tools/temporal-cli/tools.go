//go:build tools

// Package tools pins the Temporal CLI that ndi-courier builds when it finds none (see workers/temporal-cli.ts).
package tools

import _ "github.com/temporalio/cli/cmd/temporal"
