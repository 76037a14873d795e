// Package password judges new passwords and hashes them.
//
// The policy is static: length, a list of common and breached passwords, the
// service's name, the person's own data. Who may set a password, its history
// and the counting of wrong ones belong to the core. Hashing is Argon2id over a
// keyed hash of the password, in a fixed number of slots with a bounded queue,
// so that a flood of logins fills neither memory nor processors.
//
// Start at [Policy.Check] and [Hasher.Acquire].
package password
