// Package native is the API of our own under /v1: it turns JSON into one call
// of the core and the core's answer into JSON.
//
// One file per part of the API: signin.go begins and redeems, session.go
// refreshes and ends, me.go is the user's own account. request.go and answer.go
// are the JSON of both ways; routes.go is the table, which the OpenAPI document
// is made from too.
//
// No rule lives here. What a member may hold is the core's to judge; this
// package knows only its name and its type.
//
// Start with routes.go, then signin.go.
package native
