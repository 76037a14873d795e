// Package pages is what a person sees of the server in a browser: the front
// page at /, on which the whole sign-in can be tried against the real API in a
// development run; the development inbox at /dev/inbox, as JSON and as a page;
// and /docs, which reads /openapi.json.
//
// It only shows. The front page and the docs are fixed files whose scripts call
// the public API like any other client, so nothing here signs anybody in. No
// template engine either: the one page made on the server, the inbox, is a few
// functions that escape what they are given.
//
// New answers four places, which the server mounts as they stand: "/" (exactly),
// "/dev/inbox", "/docs" and everything under "/assets/". Whether the Host of a
// request may see the inbox at all is the server's to decide, before it comes here.
//
// Start with New in pages.go, then inbox.go. The files under assets/ may name no
// outside host: a test reads them all.
package pages
