// Command countersign runs the sign-in server and looks after its files.
//
// It knows flags and words alone: what a command does is in internal/server,
// what a setting means in internal/config. Start at commands in commands.go.
package main
