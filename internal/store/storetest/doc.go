// Package storetest is the definition of core.Store: whatever passes all of
// Run is an engine, and nothing else is. It knows no engine; it gets one
// through an opener and speaks to it through the interface alone.
//
// What stays out: how an engine stores things, its faults and its speed (its
// own tests show those), and every rule above the store.
//
// Start with signup.go, which shows what RedeemSignup means; run.go lists the
// other flows, fixtures.go has the valid inputs that all of them vary. Cases
// named after a statement of the checklist begin with its number ("C03 …").
package storetest
