package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"

	"rollcall/internal/api"
	"rollcall/scim"
	"rollcall/store/boltdb"
	dirsync "rollcall/sync"
)

// Exit codes (design.md §2.4).
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitDifferent   = 3
	exitPartial     = 4
	exitBlocked     = 5
	exitUnreachable = 6
	exitLocked      = 7
	exitInterrupted = 130
)

// exitError ends the program with a code. Its text is shown; "" when all was said already.
type exitError struct {
	code int
	text string
}

func (e *exitError) Error() string { return e.text }

// usagef is an error of how the program was called.
func usagef(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Sprintf(format, args...)}
}

// exitCode tells with which code an error ends the program.
func exitCode(err error) int {
	var exit *exitError
	var config *ConfigError
	var problem *api.Problem
	var dial *net.OpError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &exit):
		return exit.code
	case errors.As(err, &config):
		return exitUsage
	case errors.As(err, &problem):
		return problemCode(problem)
	case errors.Is(err, scim.ErrLocked):
		return exitLocked
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.Is(err, scim.ErrUnavailable), errors.Is(err, boltdb.ErrInUse), errors.As(err, &dial) && dial.Op == "dial":
		return exitUnreachable
	}
	return exitFailed
}

func problemCode(p *api.Problem) int {
	switch {
	case p.Named("locked"):
		return exitLocked
	case p.Status == http.StatusServiceUnavailable:
		return exitUnreachable
	case p.Status == http.StatusBadRequest:
		return exitUsage
	}
	return exitFailed
}

// reportCode tells how a run ended.
func reportCode(r *dirsync.Report) int {
	switch r.Result {
	case dirsync.OK:
		return exitDone
	case dirsync.Partial:
		return exitPartial
	case dirsync.Blocked:
		return exitBlocked
	}
	switch r.Failure {
	case dirsync.FailedSource, dirsync.FailedStore:
		return exitUnreachable
	case dirsync.FailedLock:
		return exitLocked
	case dirsync.FailedInterrupted, dirsync.FailedCancelled:
		return exitInterrupted
	}
	return exitFailed
}
