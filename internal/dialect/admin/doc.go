// Package admin is the API for operators' programs under /admin/v1: it turns a
// request with an API key into one call of the core and the core's answer into
// JSON.
//
// routes.go is the table: every route names the one scope that opens it, and
// the log hears of each use, reading included. A route without a scope cannot
// be written. answer.go is the JSON.
//
// What stays out: rules, what a key is (core/apikey.go), and strangers: this
// API stands on the operator listener alone.
//
// Start with routes.go.
package admin
