// Package kernels runs the tests of the eBPF plane on kernels other than the machine's: those
// that scripts/testkernels unpacks, in QEMU without the help of the hardware, so that it works
// everywhere and is slow. By default it is a choice of tests that takes seconds; "make
// test-kernels" runs all.
//
// The guest has no disk: package guest is its init and the test binary its only program, both in
// the initial RAM file system. The console of the kernel goes to the first serial port, the
// results of the tests to the second one.
package kernels
