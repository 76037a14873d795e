// Package locale holds the texts of messages, by language, and counts what
// they cost.
//
// A text is the server's own: it takes the service's name, a code, a host and
// a number of minutes, and never a word of a user's or a link (C-10). Which
// message goes to whom is the core's to say; how it travels, the gateway's.
//
// Start at [Texts]; a new language is an entry in catalogue.go and a run of the
// tests with -update. An operator's own texts are read by [ReadTemplates].
package locale
