// Package acl decides what becomes of a frame by the entries of an access control list.
//
//	Read        what entries may ask of a frame      facts.go
//	First       the entry that decides, one by one   list.go
//	Compile     entries into a Program               compile.go, diagram.go, vector.go
//	Program     the same decision, much faster       program.go
//
// First is what the rules are; it is the reference that everything else is compared with. A
// Program is a few kilobytes of tables that a dataplane can evaluate, too: docs/acl.md describes
// it. The package does no I/O, starts no goroutine, and keeps nothing: all its values are the
// callers'.
package acl
