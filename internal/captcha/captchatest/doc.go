// Package captchatest solves captchas as clients do, for tests of who asks for
// them. It shares nothing with the code that judges them but the wire format.
//
// What stays out: services' captchas, which nothing of ours can solve.
//
// Start with Solve.
package captchatest
