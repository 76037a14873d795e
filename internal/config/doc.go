// Package config is every setting of the server: what it is called, what it is
// by default, and which values are refused because they would be unsafe.
//
// One struct, Config, is the list of settings. A field's tags name it; the
// YAML file, the environment and the flags all follow from that name, so a new
// setting is one field, one line of doc and, where it needs one, a check.
//
// What stays out: everything that acts on a setting. Load reads files, but
// opens no port and no database.
//
// Start at Config, then Load; the refusals are in check.go.
package config
