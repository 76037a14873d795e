// Package captcha asks for a proof of being human, or at least of being patient:
// Verifier is the one interface, PoW a proof of work of our own (ALTCHA v2's
// format: no third party, nothing to look at), and Service asks hCaptcha,
// Turnstile or reCAPTCHA.
//
// What stays out: when one is asked for and how hard it is (core), and that a
// solution counts once (core, by the limiter).
//
// Start with Verifier.
package captcha
