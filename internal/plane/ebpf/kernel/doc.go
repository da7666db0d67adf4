// Package kernel has programs and maps in the kernel, by their names: it loads them and pins them, takes over
// what an earlier process or build has left, attaches programs to devices and keeps them there, and writes what
// is wanted into maps. It knows nothing of intents, and of the machine only what package host tells.
package kernel
